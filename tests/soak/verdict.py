"""What a soak must reach, line by line, and the tables that say what became of it."""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from edge.budgets import (
    BUDGETS,
    DETECTED_S,
    GROWTH_MB_PER_H,
    JITTER_P99_MS,
    LATENCY_P99_MS,
    NOMINAL_RATE_TOLERANCE,
    RECOVERED_S,
)
from edge.reading import Reading
from tests.soak.judge import MAIN_PROCESS, Outcome, Soak, lateness_ms, lost_or_repeated, present, step_rate

_ENDED_S = 2.0
"""After SIGTERM."""


@dataclass(frozen=True)
class Row:
    """One line of the verdict."""

    what: str
    asked: str
    measured: str
    good: bool


def verdict(result: Soak) -> list[Row]:
    """Every goal with what was measured."""
    readings, outcomes = result.readings, result.outcomes
    lost = lost_or_repeated(readings)
    slowed = sum(1 for reading in readings if reading.pace is not None and reading.pace.slowed_by is not None)
    rates = [outcome.rate for outcome in outcomes]
    # A fault with too few readings to tell is the worst.
    worst_rate = max(rates, key=lambda rate: abs(rate - 1) if np.isfinite(rate) else np.inf)
    rows = [
        _rate("steps made by steps due", step_rate(readings)),
        _rate("... during the worst fault", worst_rate),
        _within("faults noticed", [o.detected_s for o in outcomes if o.happened.noticed], DETECTED_S),
        _within("back after the device's return", [o.recovered_s for o in outcomes], RECOVERED_S),
        Row("readings lost or repeated", "0", f"{lost} of {len(readings)}", lost == 0),
        Row("readings at a slower pace", "0", f"{slowed} of {len(readings)}", slowed == 0),
        _milliseconds("step lateness, 99th percentile", lateness_ms(readings), JITTER_P99_MS),
        _milliseconds("capture to reading, 99th percentile", latency_ms(readings), LATENCY_P99_MS),
        Row(
            "ended after SIGTERM",
            f"{_ENDED_S:.0f} s",
            f"{result.ended_s:.2f} s, status {result.status}",
            result.ended_s < _ENDED_S and result.status == 0,
        ),
        Row("left over at the end", "none", ", ".join(result.left_over) or "none", not result.left_over),
    ]
    return rows + [row for name in sorted(result.usage) for row in _usage_rows(name, result)]


def latency_ms(readings: list[Reading]) -> NDArray[np.float64]:
    """From capture to reading; nan where neither face nor voice gave anything to look at."""
    seen = (present(reading, "face") or present(reading, "speech") for reading in readings)
    return np.array([r.latency_ms["capture_to_reading"] if s else np.nan for r, s in zip(readings, seen, strict=True)])


def _usage_rows(name: str, result: Soak) -> list[Row]:
    usage, budget = result.usage[name], BUDGETS.get(name)
    share, memory_mb = sum(usage.cpu_s.values()) / result.length_s, max(usage.memory_mb)
    if budget is None:
        return [Row(f"{name}: has no budget", "none", f"{share:.0%} of a core, {memory_mb:.0f} MB", False)]
    limit_mb = f"{budget.memory_mb:.0f} MB"
    rows = [
        Row(f"{name}: of one core", f"{budget.cpu_share:.0%}", f"{share:.1%}", share <= budget.cpu_share),
        Row(f"{name}: resident memory", limit_mb, f"{memory_mb:.0f} MB", memory_mb <= budget.memory_mb),
    ]
    if name == MAIN_PROCESS:
        before, after = max(usage.files[: len(usage.files) // 2 + 1]), usage.files[-1]
        rows.append(Row(f"{name}: open files at the end", f"{before}", f"{after}", after <= before))
        if (growth := result.growth_mb_per_h) is not None:
            limit = f"{GROWTH_MB_PER_H:.0f} MB/h"
            rows.append(Row(f"{name}: growth after warm-up", limit, f"{growth:+.2f} MB/h", growth <= GROWTH_MB_PER_H))
    return rows


def _rate(what: str, rate: float) -> Row:
    good = abs(rate - 1) <= NOMINAL_RATE_TOLERANCE
    return Row(what, f"1 ± {NOMINAL_RATE_TOLERANCE:.2f}", f"{rate:.4f}", good)


def _within(what: str, values: list[float | None], limit_s: float) -> Row:
    known = [value for value in values if value is not None]
    said = [f"{len(values) - len(known)} of {len(values)} never"] if len(known) < len(values) else []
    if known:
        said.append(f"most {max(known):.1f} s, median {np.median(known):.1f}")
    good = len(known) == len(values) and max(known, default=0) <= limit_s
    return Row(what, f"{limit_s:.0f} s", "; ".join(said) or "no such fault", good)


def _milliseconds(what: str, values_ms: NDArray[np.float64], limit_ms: float) -> Row:
    known = values_ms[np.isfinite(values_ms)]
    if not len(known):
        return Row(what, f"{limit_ms:.0f} ms", "never", False)
    high = float(np.quantile(known, 0.99))
    said = f"{high:.1f} ms, median {np.median(known):.1f}"
    return Row(what, f"{limit_ms:.0f} ms", said, high <= limit_ms)


def goal_table(rows: list[Row]) -> Table:
    """The verdict, for 80 columns and more."""
    table = Table(box=None, pad_edge=False)
    table.add_column("goal", no_wrap=True)
    table.add_column("asked", no_wrap=True)
    table.add_column("measured")
    table.add_column("", no_wrap=True)
    for row in rows:
        table.add_row(row.what, row.asked, row.measured, "reached" if row.good else "MISSED")
    return table


def fault_table(outcomes: list[Outcome]) -> Table:
    """By kind of fault: how often, noticed, back, and what the readings said; for 80 columns and more."""
    table = Table(box=None, pad_edge=False)
    table.add_column("fault", no_wrap=True)
    for head in ("times", "noticed", "back"):
        table.add_column(head, no_wrap=True, justify="right")
    table.add_column("the readings said")
    kinds: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        kinds[outcome.happened.name].append(outcome)
    for name, group in sorted(kinds.items()):
        reasons = dict.fromkeys(reason for outcome in group for reason in outcome.reasons)
        noticed, back = ([getattr(o, key) for o in group] for key in ("detected_s", "recovered_s"))
        table.add_row(name, str(len(group)), _most(noticed), _most(back), ", ".join(reasons))
    return table


def _most(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    never = f"{len(values) - len(known)} never" if known and len(known) < len(values) else ""
    return ", ".join(part for part in (f"{max(known):.1f} s" if known else "–", never) if part)
