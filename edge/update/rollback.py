"""Go back by hand: to the slot that is not in use, or to the bundle that comes with the program."""

from edge.board import Board
from edge.errors import M3erError
from edge.update.check import try_bundle
from edge.update.slots import SLOTS, Slots, locked
from edge.update.trial import SlotName, Trial

_BY_HAND = "rolled back by hand"
_ONE_INSTALLER_S = 1.0


def roll_back(slots: Slots, board: Board) -> str:
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
            before = _before(slots, current)
            try_bundle(slots.bundle(before), board)
            with slots.locked():
                _switch(slots, current, before)
    except OSError as error:
        raise M3erError(f"{error.filename or slots.folder}: {error.strerror}; run this with sudo") from None
    return name_of(slots, before)


def name_of(slots: Slots, slot: SlotName | None) -> str:
    """What is in a slot, for a person."""
    there = slots.installed(slot)
    return str(there.release) if there is not None else "the bundle that comes with the program"


def _before(slots: Slots, current: SlotName) -> SlotName | None:
    trial = slots.trial()
    if trial is not None and trial.slot == current:
        return slots.trusted()
    (other,) = (slot for slot in SLOTS if slot != current)
    if trial is not None and trial.slot == other and trial.failed is not None:
        return None
    return other if slots.installed(other) is not None else None


def _switch(slots: Slots, current: SlotName, before: SlotName | None) -> None:
    trial, left = slots.trial(), slots.installed(current)
    was_on_trial = trial is not None and trial.slot == current
    there = slots.installed(before)
    if was_on_trial and left is not None:
        slots.record(Trial(release=left.id, slot=current, previous=before, failed=_BY_HAND))
    elif before is not None and there is not None:
        slots.record(Trial(release=there.id, slot=before, previous=current))
    slots.use(before)
