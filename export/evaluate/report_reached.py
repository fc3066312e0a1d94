"""The report's first table: what the scores must reach, and what was reached."""

from collections.abc import Sequence

from export.evaluate.evaluation import Figure
from export.evaluate.report_page import NOTHING, cards, text

_VERDICTS = {True: ("reached", "✓ reached"), False: ("missed", "✗ missed"), None: ("open", "– no aim set")}
_WIDEST = 0.15  # the farthest from its aim that a score is drawn; farther ones stand at the end, hollow


def reached_html(figures: Sequence[Figure]) -> str:
    """A tally, and a row for each score; missed ones stand in their place and are as loud as reached ones."""
    if not figures:
        return ""
    counts = [(verdict, sum(one.reached is verdict for one in figures)) for verdict in (True, False, None)]
    tally = "".join(
        f'<span class="verdict {_VERDICTS[verdict][0]}">{_VERDICTS[verdict][1]}: {count} of {len(figures)}</span>\n'
        for verdict, count in counts
        if count
    )
    span = _span(figures)
    columns = ("part", "measured on", "score", "value", "to reach", "verdict", "distance", "others and notes")
    return (
        f'<div class="tally">\n{tally}</div>\n<p>Under each value stands its 95 % bootstrap interval. The distance is '
        f"drawn with the aim in the middle and what is better on the right, {span:.2f} to each side: the dot is the "
        "value, hollow if it lies beyond, the bar its interval.</p>\n"
    ) + cards(columns, [_row(one, span) for one in figures])


def exact(one: Figure, value: float | None) -> str:
    """Three decimals, or as many more as it takes that the value does not look like what it must reach."""
    if value is None:
        return NOTHING
    decimals = 3
    if one.reach is not None and one.value != one.reach:
        while decimals < 9 and round(one.value, decimals) == round(one.reach, decimals):
            decimals += 1
    return f"{value:.{decimals}f}"


def _row(one: Figure, span: float) -> tuple[str, ...]:
    name, words = _VERDICTS[one.reached]
    interval = (
        f'<small class="whole">{exact(one, one.low)} to {exact(one, one.high)}</small>' if one.low is not None else ""
    )
    better = "<small>lower is better</small>" if one.better == "lower" else ""
    sign = "≥" if one.better == "higher" else "≤"
    aim = NOTHING if one.reach is None else f"{sign} {exact(one, one.reach)}"
    away = ""
    if one.reach is not None:
        away = f"<small>{'by' if one.reached else 'short by'} {exact(one, abs(one.value - one.reach))}</small>"
    note = f"<small>{text(one.note)}</small>" if one.note else ""
    samples = f'<span class="whole">{one.samples} sample{"" if one.samples == 1 else "s"}</span>'
    return (
        f"<b>{text(one.part)}</b>",
        f"<span>{text(one.data)}<small>{text(one.split)}; {samples}</small></span>",
        f"<span>{text(one.name)}{better}</span>",
        f'<span><b class="whole">{exact(one, one.value)}</b>{interval}</span>',
        f'<span class="whole">{aim}</span>',
        f'<span><span class="verdict {name}">{words}</span>{away}</span>',
        _distance_drawn(one, span),
        f"<span>{text(one.peer)}{note}</span>" if one.peer or one.note else "",
    )


def _span(figures: Sequence[Figure]) -> float:
    """How far from their aims the scores are drawn, one scale for all."""
    away = [
        abs(value - one.reach)
        for one in figures
        if one.reach is not None and _is_share(one)
        for value in (one.value, one.low, one.high)
        if value is not None
    ]
    return min(max([*away, 0.02]), _WIDEST)


def _distance_drawn(one: Figure, span: float) -> str:
    """Value and interval as seen from what must be reached, for scores between 0 and 1."""
    reach = one.reach
    if reach is None or not _is_share(one):
        return ""
    sign = 1 if one.better == "higher" else -1

    def x(value: float) -> float:
        return 65 + 60 * min(max(sign * (value - reach) / span, -1.0), 1.0)

    marks = '<path d="M5 9H125" stroke="#ccc"/><path d="M65 1V17" stroke="#1b1b1b" stroke-width="1.5"/>'
    ink = "#0072b2" if one.reached else "#d55e00"
    if one.low is not None and one.high is not None:
        marks += f'<path d="M{x(one.low):.1f} 9H{x(one.high):.1f}" stroke="{ink}" stroke-width="3"/>'
    fill = ink if abs(one.value - reach) <= span else "#fff"
    marks += f'<circle cx="{x(one.value):.1f}" cy="9" r="4" stroke="{ink}" fill="{fill}"/>'
    return f'<svg class="interval" viewBox="0 0 130 18" aria-hidden="true">{marks}</svg>'


def _is_share(one: Figure) -> bool:
    return all(0 <= value <= 1 for value in (one.value, one.low, one.high, one.reach) if value is not None)
