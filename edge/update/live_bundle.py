"""The bundle of a live run: which it starts with, another that it takes over between two steps, and falling back.

A step waits for nothing here: bundles are opened and records are written by threads. They hardly hold the interpreter's
lock: on 2 cores of a PC, another thread was 4 ms late at most while a bundle was opened; with 8 busy programs beside it
27 ms, of which 5 ms came with nothing to open.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace

from pydantic import ValidationError

from edge.errors import M3erError
from edge.m3er.check import Rule
from edge.method import Method
from edge.reading import Modality, Pace, Reading
from edge.runtime import Runtime
from edge.update import trial
from edge.update.check import SettingsFor, open_method
from edge.update.slots import Slots
from edge.update.standing import InUse, confirm, give_up, in_use, take_into_use

_LOOK_EVERY_NS = 1_000_000_000
_END_S = 0.5

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Opened:
    """A bundle that can be stepped with."""

    use: InUse
    method: Method


class LiveBundle:
    """The installed bundle, or the shipped one where there is none.

    A release on trial that cannot be opened, or whose step fails, is given up for what was before it.

    Attributes:
        says: what the person who looks at the service should know; empty if nothing.

    Raises:
        M3erError: not even the shipped bundle can be opened.
    """

    def __init__(self, slots: Slots, settings_for: SettingsFor, rule: Rule = "full") -> None:
        self.says = ""
        self._slots, self._settings_for, self._rule = slots, settings_for, rule
        self._mark = slots.mark()
        if slots.hidden:
            _log.warning("%s; the bundle that comes with the program is used", slots.hidden)
        self._opened = self._first()
        self._remind()
        self._before: _Opened | None = None  # what to fall back to, while on trial
        self._since_ns: int | None = None  # of the trial
        self._looked_ns = 0
        self._complaint = ""  # the last one: a full disk is told of once
        self._job: Future[Callable[[Runtime, int], None]] | None = None
        self._thread: threading.Thread | None = None
        self._given_up: tuple[InUse, str] | None = None  # and not yet on the disk
        if self._opened.use.on_trial:
            self._start(self._open_before)

    @property
    def method(self) -> Method:
        """Opened, tried and ready."""
        return self._opened.method

    def step(self, runtime: Runtime, now_ns: int, lost: Mapping[Modality, str], pace: Pace) -> Reading:
        """As :meth:`edge.runtime.Runtime.step`, with whatever bundle it is time for."""
        self._between_steps(runtime, now_ns)
        return runtime.step(now_ns, lost, pace, self._fall_back if self._opened.use.on_trial else None)

    @property
    def at_work(self) -> bool:
        """A Python that ends while nets are being opened crashes."""
        return self._thread is not None and self._thread.is_alive()

    def close(self) -> None:
        """No more steps are made: wait for what is being opened or written, but not for ever."""
        if self._thread is not None:
            self._thread.join(_END_S)

    # --- at the start

    def _first(self) -> _Opened:
        tried = set()
        use = self._take_into_use()
        while True:
            tried.add(use.slot)
            try:
                opened = self._open(use)
            except Exception as error:
                if use.slot is None:
                    raise
                before = self._slots.before(use.slot)
                self._give_up(use, _reason(error))
                use = in_use(self._slots, None if before in tried else before)
            else:
                self._announce(use)
                return opened

    def _remind(self) -> None:
        """Of a release that was given up, by this start or long ago: nobody may have seen it."""
        record = self._slots.trial()
        if not self.says and record is not None and record.failed is not None:
            self.says = f"{self._slots.name_of(record.slot)} was given up: {record.failed}"
            _log.warning("bundle: %s", self.says)

    def _open(self, use: InUse) -> _Opened:
        return _Opened(use, open_method(use.folder, self._settings_for, self._rule, prove=use.on_trial))

    def _take_into_use(self) -> InUse:
        try:
            return take_into_use(self._slots)
        except (M3erError, OSError) as error:
            current = self._slots.current()
            use = in_use(self._slots, current if current is None else self._slots.before(current))
            _log.warning(
                "%s is on trial, which cannot be noted (%s): %s is used", self._slots.name_of(current), error, use.name
            )
            return use

    def _give_up(self, use: InUse, why: str) -> None:
        _log.error("%s is given up: %s", use.name, why)
        self.says = f"{use.name} was given up: {why}"
        try:
            give_up(self._slots, use, why)
        except (M3erError, OSError) as error:
            _log.warning("%s: it cannot be noted that %s was given up (%s)", self._slots.folder, use.name, error)

    def _announce(self, use: InUse) -> None:
        if use.on_trial:
            self.says = f"{use.name} is on trial"
        if use.slot is not None:
            _log.info("bundle: %s%s", use.name, ", on trial" if use.on_trial else "")

    # --- between two steps: quick, and it never raises

    def _between_steps(self, runtime: Runtime, now_ns: int) -> None:
        if self._job is not None and self._job.done():
            job, self._job = self._job, None
            job.result()(runtime, now_ns)
        if self._since_ns is None:
            self._since_ns = now_ns
        if self._job is not None or now_ns - self._looked_ns < _LOOK_EVERY_NS:
            return
        self._looked_ns = now_ns
        if self._given_up is not None:
            self._start(self._note_given_up)
        elif (mark := self._slots.mark()) != self._mark:
            self._mark = mark
            self._start(self._open_current)
        elif self._opened.use.on_trial and now_ns - self._since_ns >= trial.TRIAL_S * 1e9:
            self._start(self._confirm)

    def _start(self, work: Callable[[], Callable[[Runtime, int], None]]) -> None:
        """In a thread; what it returns is done between two steps."""
        job: Future[Callable[[Runtime, int], None]] = Future()

        def run() -> None:
            try:
                job.set_result(work())
            except Exception as error:  # noqa: BLE001 - no fault of an update may end the run
                if (complaint := _reason(error)) != self._complaint:
                    _log.warning("%s: %s; tried again", self._slots.folder, complaint)
                self._complaint = complaint
                job.set_result(_nothing)

        self._job = job
        # A daemon, as a release on trial may hang for ever; close() waits for what does not.
        self._thread = threading.Thread(target=run, name="bundle", daemon=True)
        self._thread.start()

    # --- in a thread

    def _open_current(self) -> Callable[[Runtime, int], None]:
        use = take_into_use(self._slots)
        now = self._opened.use
        if (use.slot, use.release) == (now.slot, now.release):
            return _nothing
        try:
            opened = self._open(use)
        except Exception as error:  # noqa: BLE001 - a release may fail in any way
            if self._slots.mark() == self._mark:
                self._give_up(use, _reason(error))
            return _nothing
        return lambda runtime, now_ns: self._take_over(opened, runtime, now_ns)

    def _open_before(self) -> Callable[[Runtime, int], None]:
        opened = self._what_was_before()

        def keep(runtime: Runtime, now_ns: int) -> None:
            if self._opened.use.on_trial:
                self._before = opened

        return keep

    def _what_was_before(self) -> _Opened:
        slot = self._opened.use.slot
        use = in_use(self._slots, None if slot is None else self._slots.before(slot))
        return self._open(use)

    def _confirm(self) -> Callable[[Runtime, int], None]:
        use = self._opened.use
        confirm(self._slots, use)

        def go_on(runtime: Runtime, now_ns: int) -> None:
            if self._opened.use is not use:
                return
            self._opened = _Opened(replace(use, on_trial=False), self._opened.method)
            self._before = None
            self.says = ""
            _log.info("bundle: %s has proved itself", use.name)

        return go_on

    def _note_given_up(self) -> Callable[[Runtime, int], None]:
        assert self._given_up is not None
        give_up(self._slots, *self._given_up)

        def noted(runtime: Runtime, now_ns: int) -> None:
            self._given_up = None

        return noted

    # --- what a step sees

    def _take_over(self, opened: _Opened, runtime: Runtime, now_ns: int) -> None:
        if _told(opened.method) != _told(self.method):  # readers and the page were told of the old ones
            self.says = f"{opened.use.name} has other labels or another hop, and takes over at the next start"
            _log.warning("bundle: %s", self.says)
            return
        if not opened.use.on_trial:
            self._before = None
        elif not self._opened.use.on_trial:
            self._before = self._opened
        runtime.take_over(opened.method)
        self._opened, self._since_ns = opened, now_ns
        self.says = ""
        self._announce(opened.use)

    def _fall_back(self, error: Exception) -> Method:
        """At once, in the middle of a step. Raises the step's error where there is nothing to fall back to."""
        use, why = self._opened.use, f"a step failed: {_reason(error)}"
        before = self._before or self._what_was_before()  # late by its opening, in the first second of a run alone
        if _told(before.method) != _told(self.method):
            self._give_up(use, why)  # whoever starts the run again gets what was before
            raise error
        _log.error("%s is given up: %s; back to %s", use.name, why, before.use.name)
        self.says = f"{use.name} was given up: {why}"
        self._given_up = use, why
        self._opened, self._before = before, None
        before.method.forget()
        return before.method


def _told(method: Method) -> tuple[list[str], float]:
    """What publishers are told at the start."""
    return method.bundle.manifest.labels, method.bundle.manifest.hop_s


def _nothing(runtime: Runtime, now_ns: int) -> None:
    """Nothing is to be done."""


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):  # of a reading: not a number, mostly
        first = error.errors()[0]
        return f"{error.title}: {'.'.join(map(str, first['loc']))}: {first['msg']}"
    text = " ".join(str(error).split())
    return text if isinstance(error, M3erError) else f"{type(error).__name__}: {text[:200]}"
