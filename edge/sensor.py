"""The emotion sensor for Python: ``from edge import Sensor``."""

import asyncio
import logging
import threading
import time
import traceback
from collections import deque
from concurrent.futures import Future
from pathlib import Path

from edge.cores import check_cores
from edge.live_runtime import bundle_for_run, open_live
from edge.models import BEST
from edge.models.find import find_speech_model
from edge.reading import Reading
from edge.settings.layers import Layer, merge_settings
from edge.settings.settings import NONE

_MOST_WAITING = 10
"""Readings that wait for a slow loop: five seconds at the usual pace."""
_END_S = 2.0

_log = logging.getLogger(__name__)


class Sensor:
    """How the person in front of the robot seems to feel: a reading every half second, while ``with`` lasts.

    A robot's program in ten lines::

        from collections.abc import Callable

        from edge import Sensor


        def cheer_up(say: Callable[[str], None], camera: int | str = 0) -> None:
            with Sensor(camera=camera) as sensor:
                for reading in sensor:
                    if reading.emotion == "happy":
                        return
                    face = reading.modalities["face"]
                    say("Smile!" if face.state == "live" else f"I cannot see you: {face.reason}")

    The run is a thread of its own and its devices are processes, so that however long the loop's body takes, no step
    waits for it. (A program that computes in Python without a pause slows it all the same, as they share the
    interpreter's lock: on two busy cores of a PC, readings came 0.02 s later beside one such thread, at most 0.12 s;
    beside three, the run slowed down to one every 2 s.) Each reading comes once and in order; a loop that falls
    behind by more than ten loses the oldest, and :attr:`missed` counts them. Whoever only wants to know
    how things are now asks :meth:`latest`, from any thread.

    ``async with`` and ``async for`` do the same without ever blocking the event loop.

    No fault of a device is an exception: the readings say what is missing, and why, and the device is tried again
    for ever. An exception in the loop's body ends everything, as leaving ``with`` does: within two seconds no process,
    thread, file or memory is left. A sensor is opened once; another run is another sensor.

    Nothing of the program is touched: no signal handler is set. What becomes of the devices is said to ``logging`` and,
    by their processes, on ``sys.stderr``. OpenCV's number of threads stays the program's own.

    Args:
        camera: a number, a path, a URL, a GStreamer pipeline or ``picamera2``; None: no face.
        microphone: ``default``, a number or a piece of its name; None: neither voice nor words.
        speech_model: a Vosk model's folder or name; ``best``: what the settings say, by themselves an English one that
            was fetched, else the small one that is shipped; None: no words.
        bundle: the folder of a trained model; None: the one installed with ``m3er-edge bundle``, which is kept up to
            date, or else the one that is shipped.
        board: a profile's name or file; None: detected, unless the settings name one.

    All else is set as for ``m3er-edge run``: by the board, /etc/m3er-edge.toml and the environment; ``m3er-edge
    settings`` shows it. What ``[output]`` says is the command's alone. Cores for ``run`` are for the sensor's thread.

    Raises:
        M3erError: on entering ``with``: the bundle, the speech model, the board's profile or a setting is missing or
            malformed.
    """

    def __init__(
        self,
        camera: int | str | None = 0,
        microphone: str | None = "default",
        speech_model: str | Path | None = BEST,
        bundle: str | Path | None = None,
        board: str | Path | None = None,
    ) -> None:
        self._camera = None if camera is None else str(camera)
        self._microphone, self._speech_model = microphone, speech_model
        self._bundle, self._board = bundle, board
        # A daemon, as the program may end without leaving `with`; its workers then end by themselves.
        self._thread = threading.Thread(target=self._run, name="m3er sensor", daemon=True)
        self._stop = threading.Event()
        self._opened: Future[None] = _promise()
        self._ended: Future[None] = _promise()
        self._lock = threading.Lock()  # guards all below, and is never held while anybody waits
        self._waiting: deque[Reading] = deque(maxlen=_MOST_WAITING)
        self._loops: list[Future[None]] = []  # that wait for the next reading
        self._looped = False
        self._missed = 0
        self._newest: Reading | None = None
        self._newest_ns = 0
        self._bug: BaseException | None = None

    @property
    def missed(self) -> int:
        """Readings that the loop, once it had begun, was too slow for."""
        with self._lock:
            return self._missed

    def latest(self, max_age_s: float = 1.0) -> Reading | None:
        """The newest reading; None if it is older than that, or there is none. Takes nothing from a loop.

        Args:
            max_age_s: under load and heat the run slows down to as little as a reading every four hops, 2 s.
        """
        with self._lock:
            if self._bug is not None:
                raise self._bug
            age_ns = time.monotonic_ns() - self._newest_ns
            return self._newest if age_ns <= max_age_s * 1e9 else None

    def close(self) -> None:
        """End the run and every loop over it, from any thread; within two seconds nothing of it is left.

        Leaving ``with`` does it. It waits: in a coroutine, ``await asyncio.to_thread(sensor.close)``.
        """
        self._ask_to_end()
        if self._thread.is_alive():
            self._thread.join(_END_S)
            self._complain()

    # --- with, for

    def __enter__(self) -> "Sensor":
        self._thread.start()
        try:
            self._opened.result()
        except BaseException:  # Ctrl-C as well: nobody else will close it
            self.close()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __iter__(self) -> "Sensor":
        return self

    def __next__(self) -> Reading:
        while isinstance(taken := self._take(), Future):
            taken.result()
        if taken is None:
            raise StopIteration
        return taken

    # --- async with, async for

    async def __aenter__(self) -> "Sensor":
        self._thread.start()
        try:
            await asyncio.wrap_future(self._opened)
        except BaseException:  # a cancelled task as well: nobody else will close it
            await self._end()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._end()

    def __aiter__(self) -> "Sensor":
        return self

    async def __anext__(self) -> Reading:
        while isinstance(taken := self._take(), Future):
            await asyncio.wrap_future(taken)
        if taken is None:
            raise StopAsyncIteration
        return taken

    async def _end(self) -> None:
        self._ask_to_end()
        await asyncio.wait([asyncio.wrap_future(self._ended)], timeout=_END_S)
        if self._ended.done():
            self._thread.join()  # it has nothing left to do
        self._complain()

    # --- the program's side

    def _take(self) -> "Reading | Future[None] | None":
        """The next reading; what to wait for where there is none yet; None at the end."""
        with self._lock:
            if self._bug is not None:
                raise self._bug
            if self._stop.is_set():
                return None
            if not self._opened.done():
                raise RuntimeError("a Sensor gives readings inside `with`: with Sensor() as sensor: ...")
            self._looped = True
            if self._waiting:
                return self._waiting.popleft()
            waker: Future[None] = Future()
            self._loops.append(waker)
            return waker

    def _ask_to_end(self) -> None:
        self._stop.set()
        self._wake()

    def _complain(self) -> None:
        if self._thread.is_alive():
            _log.warning("the sensor did not end within %g s; what hangs goes on in its thread", _END_S)

    # --- the run's side

    def _run(self) -> None:
        try:
            self._live()
        except BaseException as error:  # noqa: BLE001 - of any kind: it belongs to whoever opened or asks
            traceback.clear_frames(error.__traceback__)  # or they would keep the rings' memory
            if self._opened.done():
                _log.exception("a bug in the program has ended the sensor")
                with self._lock:
                    self._bug = error
            else:
                self._opened.set_exception(error)
        self._ask_to_end()
        self._ended.set_result(None)

    def _live(self) -> None:
        board = {} if self._board is None else {"board": str(self._board)}
        merged = merge_settings(Layer(board, lambda _key: "Sensor(board=…)"))
        check_cores(merged)
        for warning in merged.warnings:
            _log.warning("%s", warning)
        asked = merged.settings.speech.model if self._speech_model == BEST else self._speech_model
        model = None if asked is None or asked == NONE else find_speech_model(str(asked))
        bundle, live_bundle = bundle_for_run(None if self._bundle is None else Path(self._bundle), merged)
        settings = merged.settings_for(bundle)
        with open_live(live_bundle or bundle, settings, self._camera, self._microphone, model) as live:
            self._opened.set_result(None)
            for reading in live.readings(self._stop.is_set):
                self._hand_over(reading)

    def _hand_over(self, reading: Reading) -> None:
        with self._lock:
            self._newest, self._newest_ns = reading, time.monotonic_ns()
            if self._looped and len(self._waiting) == _MOST_WAITING:
                self._missed += 1
            self._waiting.append(reading)
        self._wake()

    def _wake(self) -> None:
        """Let all loops look again."""
        with self._lock:
            wakers, self._loops = self._loops, []
        for waker in wakers:
            if waker.set_running_or_notify_cancel():  # its task may have been cancelled
                waker.set_result(None)


def _promise() -> "Future[None]":
    """A future that whoever waits for it cannot cancel."""
    promise: Future[None] = Future()
    promise.set_running_or_notify_cancel()
    return promise
