"""One reading as a table for an 80-column terminal, and as one line for a log."""

from collections.abc import Sequence

from rich.bar import Bar
from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from edge.publish.colours import emotion_colours, ink_on
from edge.publish.publisher import RECORDING
from edge.reading import MODALITIES, PAIRS, UNKNOWN, ModalityReading, Reading, State, pair_name

WIDTH = 80  # columns
_INNER_WIDTH = WIDTH - 4  # the frame and its padding
_BAR_WIDTH = 14

# Told apart by sign and word as well as by colour; dark ink, so that light and dark terminals both show them.
_STATE_SIGN: dict[State, str] = {"live": "●", "proxy": "◐", "absent": "○"}
_STATE_STYLE: dict[State, str] = {
    "live": "black on #56B4E9",
    "proxy": "black on #E69F00",
    "absent": "black on #B0B0B0",
}
_NOTHING = "–"


def reading_line(reading: Reading) -> str:
    """The reading as one line of plain text, in the order of a sentence: when, what, how sure, from what."""
    parts = []
    for name in MODALITIES:
        part = reading.modalities.get(name)
        if part is not None:
            parts.append(f"{name} {part.state}" + (f" ({_plain(part.reason)})" if part.reason else ""))
    line = f"{reading.t:7.1f} s  {reading.emotion:<9} {reading.confidence:4.0%}  {', '.join(parts)}"
    return f'{line}  "{_plain(reading.transcript)}"' if reading.transcript else line


def reading_table(
    reading: Reading, labels: Sequence[str], total_s: float | None, recording: bool = False
) -> RenderableType:
    """The reading as a framed table of at most 80 columns, and with seven emotions fewer than 24 rows.

    Args:
        labels: the emotions, in the order of their rows.
        total_s: length of the file being read, for a progress bar; None when it has no known end.
        recording: picture and sound are written somewhere.
    """
    sides = Table.grid(padding=(0, 3))
    sides.add_row(_emotions(reading, labels), Group(_pairs(reading), Text(), _latency(reading)))
    heard = _transcript(reading)
    rows: list[RenderableType] = [
        _title(reading, labels),
        Text(),
        _modalities(reading),
        Text(),
        sides,
        Text(),
        heard,
    ]
    if total_s is not None and total_s > 0:
        rows.append(_progress(reading.t, total_s))
    title = Text(f" {RECORDING} ", "bold white on red") if recording else "m3er-edge"
    border = "bold red" if recording else "dim"
    return Panel(Group(*rows), width=WIDTH, title=title, title_align="left", border_style=border)


def _title(reading: Reading, labels: Sequence[str]) -> RenderableType:
    colour = emotion_colours(labels).get(reading.emotion)
    style = f"bold {ink_on(colour)} on {colour}" if colour else "bold reverse"
    name = Text(f" {reading.emotion} ", style=style)
    sure = Text(f"  {reading.confidence:.0%} sure", style="bold")
    if reading.evidence == "none":
        sure = Text("  nothing to go by")
    elif reading.emotion == UNKNOWN and reading.probabilities:
        likeliest = max(reading.probabilities, key=lambda label: reading.probabilities[label])
        sure = Text(f"  {likeliest} at most, {reading.confidence:.0%}")
    title = Table.grid(expand=True)
    title.add_column(no_wrap=True)
    title.add_column(justify="right", no_wrap=True)
    left = Text.assemble((f"{reading.t:.1f} s  ", "bold"), name, sure, no_wrap=True, overflow="ellipsis")
    title.add_row(left, Text(f"evidence: {reading.evidence}", style="dim"))
    return title


def _modalities(reading: Reading) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), width=_INNER_WIDTH, header_style="dim")
    table.add_column("")
    table.add_column(" state", width=10)
    table.add_column("why", ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column("age", justify="right", no_wrap=True)
    table.add_column("quality", justify="right", no_wrap=True)
    table.add_column("density  ", justify="right", no_wrap=True)
    for name in MODALITIES:
        part = reading.modalities.get(name)
        if part is None:
            table.add_row(name, *[_NOTHING] * 5)
            continue
        badge = Text(f" {_STATE_SIGN[part.state]} {part.state} ", style=_STATE_STYLE[part.state])
        age = _NOTHING if part.age_s is None else f"{part.age_s:.2f} s"
        table.add_row(name, badge, Text(_plain(part.reason or "")), age, _number(part.quality), _density(part))
    return table


def _density(part: ModalityReading) -> Text:
    """The distance from the training data over its limit; a sign marks what lies outside."""
    if part.density is not None and part.density > 1:
        return Text(f"{part.density:.2f} !", style="bold")
    return Text(_number(part.density) + "  ")


def _emotions(reading: Reading, labels: Sequence[str]) -> Table:
    colours = emotion_colours(labels)
    table = Table.grid(padding=(0, 1))
    table.add_column(width=11, no_wrap=True)
    table.add_column(width=_BAR_WIDTH)
    table.add_column(justify="right", no_wrap=True)
    for label in labels:
        share = reading.probabilities.get(label, 0.0)
        style = "bold" if label == reading.emotion else ""
        name = Text(("▸ " if style else "  ") + label, style=style, no_wrap=True, overflow="ellipsis")
        bar = Bar(1.0, 0.0, share, width=_BAR_WIDTH, color=colours[label])
        table.add_row(name, bar, Text(f"{share:.2f}", style=style))
    return table


def _pairs(reading: Reading) -> Table:
    table = Table.grid(padding=(0, 1))
    for _ in range(3):
        table.add_column(no_wrap=True)
    table.add_row(Text("correlation", style="dim"), "", Text("threshold", style="dim"))
    for a, b in PAIRS:
        name = pair_name(a, b)
        value, limit = reading.correlation.get(name), reading.threshold.get(name)
        if value is None or limit is None:
            table.add_row(name, f" {_NOTHING}", "")
            continue
        agree = value >= limit
        verdict = f"≥ {limit:.2f}  agree" if agree else f"< {limit:.2f}  differ"
        table.add_row(name, Text(f"{value:+.2f}", style="bold"), Text(verdict, style="" if agree else "bold"))
    return table


def _latency(reading: Reading) -> Text:
    parts = [f"{name.replace('_', ' ')} {ms:.0f} ms" for name, ms in reading.latency_ms.items()]
    # Two rows at most: the frame must not jump from step to step.
    return Text("\n".join(parts[:2]) or " ", style="dim", no_wrap=True, overflow="ellipsis")


def _transcript(reading: Reading) -> Text:
    """The last words that one row has room for."""
    room = _INNER_WIDTH - len("heard  …")
    words = _plain(reading.transcript)
    shown = words
    while cell_len(shown) > room:
        shown = shown[1:]
    return Text.assemble(("heard  ", "dim"), shown if shown == words else f"…{shown}", no_wrap=True)


def _progress(t_s: float, total_s: float) -> Table:
    row = Table.grid(padding=(0, 2), expand=True)
    row.add_column(ratio=1)
    row.add_column(no_wrap=True, justify="right")
    row.add_row(ProgressBar(total_s, min(t_s, total_s)), f"{t_s:.0f} of {total_s:.0f} s")
    return row


def _number(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:.2f}"


def _plain(words: str) -> str:
    """On one line, and without signs that would steer the terminal: others make the models it comes from."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in words).split())
