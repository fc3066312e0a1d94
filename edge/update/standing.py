"""How the release in use stands: counted at every start, confirmed, or given up for what was before it."""

from dataclasses import dataclass
from pathlib import Path

from edge.update.slots import Slots
from edge.update.trial import MOST_STARTS, SlotName, Trial


@dataclass(frozen=True)
class InUse:
    """What a run has taken into use.

    Attributes:
        slot: None: the bundle that comes with the program.
        release: the release's id; None where there is none, or none that can be read.
        name: for a person.
        folder: of the bundle.
        on_trial: it has yet to prove itself.
    """

    slot: SlotName | None
    release: str | None
    name: str
    folder: Path
    on_trial: bool


def in_use(slots: Slots, slot: SlotName | None, on_trial: bool = False) -> InUse:
    """What is in a slot."""
    there = slots.installed(slot)
    release = None if there is None else there.id
    return InUse(slot, release, slots.name_of(slot), slots.bundle(slot), on_trial)


def take_into_use(slots: Slots) -> InUse:
    """What is to be used now. On trial, this is one more start; after too many it is given up for what was before.

    Raises:
        M3erError, OSError: it is on trial, and that it was started cannot be noted.
    """
    trial, current = slots.trial(), slots.current()
    if trial is None or trial.slot != current:
        return in_use(slots, current)
    with slots.locked():
        trial, current = slots.trial(), slots.current()
        if trial is None or trial.slot != current:
            return in_use(slots, current)
        if trial.failed is None and trial.starts >= MOST_STARTS:
            why = f"started {trial.starts} times, and never ran for two minutes"
            trial = trial.model_copy(update={"failed": why})
            slots.record(trial)
        if trial.failed is not None:  # or given up by somebody who was stopped before the switch
            slots.use(slots.trusted())
            return in_use(slots, slots.current())
        slots.record(trial.model_copy(update={"starts": trial.starts + 1}))
        return in_use(slots, current, on_trial=True)


def confirm(slots: Slots, used: InUse) -> None:
    """It has proved itself. Raises M3erError, OSError."""
    with slots.locked():
        trial = slots.trial()
        if trial is not None and trial.release == used.release and trial.failed is None:
            slots.record(None)


def give_up(slots: Slots, used: InUse, why: str) -> None:
    """Switch back to what was before, and remember why; nothing, if something else was switched to meanwhile.

    Raises:
        M3erError, OSError: it cannot be noted.
    """
    with slots.locked():
        now = in_use(slots, slots.current())
        if used.slot is None or (now.slot, now.release) != (used.slot, used.release):
            return
        before = slots.before(used.slot)
        if used.release is not None:
            slots.record(Trial(release=used.release, slot=used.slot, previous=before, failed=why))
        slots.use(before)
