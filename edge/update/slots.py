"""Where installed bundles lie: two slots, and a link that says which one is in use.

::

    <state>/bundles/                 its owner is the state folder's: the service, which must be able to fall back
        current -> slots/a           missing: the bundle that comes with the program
        trial.json                   edge/update/trial.py
        lock                         held while any of these three changes
        slots/                       whoever installs owns it, and all below; everybody may read
            a/, b/                   release.json, release.sig, bundle/
            lock                     held by the one installer
            staging/, trash/         of an installation; left over by one that was killed, harmless

``current`` only ever leads to a slot that was whole and on the disk before, and nothing in a slot changes while
``current`` leads to it.
"""

import fcntl
import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge.bundle import DEFAULT
from edge.errors import M3erError
from edge.update.durable import make_folder, replace_link, sync_folder
from edge.update.release import BUNDLE, RELEASE, Release, read_release, release_id
from edge.update.trial import SlotName, Trial, read_trial, write_trial

SLOTS: tuple[SlotName, ...] = ("a", "b")
_TARGET = re.compile("slots/([ab])")
_LOCK_S = 10.0
_LOOK_EVERY_S = 0.02

_log = logging.getLogger(__name__)


def state_folder() -> Path:
    """Where the program keeps what it must not lose: systemd's STATE_DIRECTORY, or ``/var/lib/m3er-edge``."""
    return Path(os.environ.get("STATE_DIRECTORY", "").split(":")[0] or "/var/lib/m3er-edge")


def bundle_in_use() -> Path:
    """The bundle for whoever names none: the installed one, or the one that comes with the program."""
    slots = Slots(state_folder())
    if slots.hidden:
        _log.warning("%s; the bundle that comes with the program is used", slots.hidden)
    return slots.bundle(slots.current())


@dataclass(frozen=True)
class Installed:
    """A release in its slot."""

    release: Release
    id: str


class Slots:
    """The slots in a state folder, which need not exist: then the shipped bundle is in use."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.folder = state / "bundles"
        self.slots = self.folder / "slots"
        self._link, self._trial_file = self.folder / "current", self.folder / "trial.json"

    @property
    def hidden(self) -> str:
        """Why this user cannot know what is installed; empty if he can. A service's state is for it and root alone."""
        try:
            os.lstat(self._link)
        except PermissionError:
            return f"{self.folder}: this user may not look there; run this with sudo"
        except OSError:
            pass  # nothing is installed
        return ""

    def mark(self) -> tuple[int, int] | None:
        """Changes whenever ``current`` was changed; cheap. None where there is no link, or none for us to see."""
        try:
            link = os.lstat(self._link)
        except OSError:
            return None
        return link.st_ino, link.st_ctime_ns

    def current(self) -> SlotName | None:
        """The slot in use; None: the shipped bundle."""
        try:
            found = _TARGET.fullmatch(str(self._link.readlink()))
        except OSError:
            return None
        return None if found is None else "a" if found[1] == "a" else "b"

    def bundle(self, slot: SlotName | None) -> Path:
        """The bundle's folder in a slot; None: the shipped bundle."""
        return DEFAULT if slot is None else self.slots / slot / BUNDLE

    def installed(self, slot: SlotName | None) -> Installed | None:
        """The release in a slot; None where there is none that can be read."""
        if slot is None:
            return None
        path = self.slots / slot / RELEASE
        try:
            text = path.read_bytes()
            return Installed(read_release(text, str(path)), release_id(text))
        except (OSError, M3erError):
            return None

    def trial(self) -> Trial | None:
        """The record of the newest release, if that is still in its slot."""
        trial = read_trial(self._trial_file)
        if trial is None:
            return None
        there = self.installed(trial.slot)
        return trial if there is not None and there.id == trial.release else None

    def trusted(self) -> SlotName | None:
        """The slot that has proved itself: the one in use, or while that is on trial, the one before it."""
        current, trial = self.current(), self.trial()
        if trial is None or trial.slot != current:
            return current
        return trial.previous if self.installed(trial.previous) is not None else None

    def before(self, slot: SlotName) -> SlotName | None:
        """What to go back to from a slot: never a release that has failed. None: the shipped bundle."""
        trial = self.trial()
        if trial is not None and trial.slot == slot:
            return trial.previous if self.installed(trial.previous) is not None else None
        (other,) = (s for s in SLOTS if s != slot)
        if trial is not None and trial.failed is not None:  # it is the other's
            return None
        return other if self.installed(other) is not None else None

    def name_of(self, slot: SlotName | None) -> str:
        """What is in a slot, for a person."""
        if slot is None:
            return "the bundle that comes with the program"
        there = self.installed(slot)
        return str(there.release) if there is not None else f"slot {slot}"

    # --- changing: only inside `with slots.locked()`

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else changes ``current`` or the record meanwhile. Raises M3erError, OSError."""
        with locked(self.folder / "lock", _LOCK_S):
            yield

    def use(self, slot: SlotName | None) -> None:
        """Switch. Raises OSError."""
        replace_link(self._link, None if slot is None else f"slots/{slot}")

    def record(self, trial: Trial | None) -> None:
        """What is known of the newest release; None: it has proved itself. Raises OSError."""
        if trial is not None:
            write_trial(self._trial_file, trial)
        else:
            self._trial_file.unlink(missing_ok=True)
            sync_folder(self.folder)

    def make(self) -> None:
        """Make the folders. What the service must change is its own, as the state folder is.

        Raises:
            M3erError: there is something else in their place.
            OSError: they cannot be made.
        """
        if not self.state.exists():
            self.state.parent.mkdir(parents=True, exist_ok=True)
            make_folder(self.state)
            sync_folder(self.state.parent)
        for folder in (self.folder, self.slots):
            if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
                raise M3erError(f"{folder}: not a folder; remove it, or name another place with STATE_DIRECTORY")
        if os.geteuid() == 0:
            owner = self.state.stat()
            make_folder(self.folder, (owner.st_uid, owner.st_gid))
        elif not self.folder.exists():
            make_folder(self.folder)
        make_folder(self.slots)
        sync_folder(self.folder)
        sync_folder(self.state)


@contextmanager
def locked(path: Path, timeout_s: float) -> Iterator[None]:
    """One process at a time; the kernel frees what a killed one held. Raises M3erError after the timeout, OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        if os.fstat(descriptor).st_uid == os.geteuid():
            os.fchmod(descriptor, 0o644)  # whatever our umask: the service must be able to lock it
        until_s = time.monotonic() + timeout_s
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until_s:
                    raise M3erError(f"{path}: another process is at work on the bundles; try again later") from None
                time.sleep(_LOOK_EVERY_S)
        yield
    finally:
        os.close(descriptor)
