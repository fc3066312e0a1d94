"""Go back by hand: to the slot that is not in use, or to the bundle that comes with the program."""

from edge.errors import M3erError
from edge.update.check import SettingsFor, open_method
from edge.update.slots import Slots, locked
from edge.update.trial import SlotName, Trial

_BY_HAND = "rolled back by hand"
_ONE_INSTALLER_S = 1.0


def roll_back(slots: Slots, settings_for: SettingsFor) -> str:
    """Switch to what was before; returns what is in use now. What is gone back to is on trial, unless it was trusted.

    Raises:
        M3erError: there is nothing to go back to, it does not work, or it may not be changed by this user.
    """
    current = slots.current()
    if current is None:
        raise M3erError(
            f"{slots.folder}: the bundle that comes with the program is in use; there is nothing to go back to"
        )
    try:
        with locked(slots.slots / "lock", _ONE_INSTALLER_S):
            before = slots.before(current)
            open_method(slots.bundle(before), settings_for, prove=True)
            with slots.locked():
                _switch(slots, current, before)
    except OSError as error:
        raise M3erError(f"{error.filename or slots.folder}: {error.strerror}; run this with sudo") from None
    return slots.name_of(before)


def _switch(slots: Slots, current: SlotName, before: SlotName | None) -> None:
    trial, left = slots.trial(), slots.installed(current)
    was_on_trial = trial is not None and trial.slot == current
    there = slots.installed(before)
    if was_on_trial and left is not None:
        slots.record(Trial(release=left.id, slot=current, previous=before, failed=_BY_HAND))
    elif before is not None and there is not None:
        slots.record(Trial(release=there.id, slot=before, previous=current))
    slots.use(before)
