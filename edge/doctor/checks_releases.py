"""Which bundle is installed, and how its release stands: what a run without ``--bundle`` uses."""

from collections.abc import Sequence

from edge.doctor.checks import Finding
from edge.update.listing import states
from edge.update.slots import Slots

_ANOTHER = "tell its maker, and install another release; m3er-edge bundle list shows all"


def check_releases(slots: Slots) -> Sequence[Finding]:
    """The release in use; and one that failed, which is not."""
    if slots.hidden:
        why, _, do = slots.hidden.rpartition("; ")
        return [Finding("releases", "warning", f"not known what is installed, {why}", do)]
    current, trial = slots.current(), slots.trial()
    findings = [Finding("releases", "ok", f"in use: {slots.name_of(current)}{_stands(slots)}")]
    if trial is not None and trial.failed is not None:
        said = f"{slots.name_of(trial.slot)} in slot {trial.slot} was given up: {trial.failed}"
        findings.append(Finding("releases", "warning", said, _ANOTHER))
    return findings


def _stands(slots: Slots) -> str:
    """E.g. ``, slot a, on trial, started 1 of 3 times``; nothing of the bundle that comes with the program."""
    current = slots.current()
    return "" if current is None else ", ".join(["", f"slot {current}", *states(slots, current)[1:]])
