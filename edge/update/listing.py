"""``m3er-edge bundle list``: what is in the slots, and how each stands."""

from edge.bundle import DEFAULT
from edge.update.release import SHIPPED_VERSION
from edge.update.slots import SLOTS, Slots
from edge.update.trial import MOST_STARTS, SlotName


def print_list(slots: Slots) -> None:
    """Plain columns, as wide as they need: to be read by people and by grep."""
    rows = [("SLOT", "VERSION", "NAME", "MADE", "STATE")]
    for slot in SLOTS:
        there = slots.installed(slot)
        if there is not None:
            release = there.release
            rows.append((slot, str(release.version), release.name, release.made, ", ".join(states(slots, slot))))
    shipped = ["current"] if slots.current() is None else []
    rows.append(("-", str(SHIPPED_VERSION), DEFAULT.name, "", ", ".join([*shipped, "shipped"])))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def states(slots: Slots, slot: SlotName) -> list[str]:
    """E.g. current and on trial; previous; failed, with the reason."""
    current, trial = slots.current(), slots.trial()
    found = ["current"] if slot == current else []
    if trial is not None and trial.slot == slot and trial.failed is not None:
        found.append(f"failed: {trial.failed}")
    elif trial is not None and trial.slot == slot == current:
        found.append(f"on trial, started {trial.starts} of {MOST_STARTS} times")
    elif slot != current:
        found.append("previous" if current is not None and slots.before(current) == slot else "not in use")
    return found
