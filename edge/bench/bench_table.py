"""A bench as tables for people."""

from rich.console import Console
from rich.table import Table

from edge.bench.record import Bench, NetTime


def print_bench(bench: Bench, console: Console | None = None) -> None:
    """What was measured, on a terminal or in a log."""
    console = console or Console()
    machine = bench.machine
    console.print(
        f"{machine.name}, {machine.cores} cores, {machine.architecture}; Python {machine.python}, onnxruntime "
        f"{machine.onnxruntime}, {machine.litert}. Bundle {bench.bundle[:30]}…",
        highlight=False,
        soft_wrap=True,
    )
    console.print(_nets(bench))
    runs_on = sorted({one.runs_on for one in bench.nets if one.runs_on})
    for line in [f"Runs on {', '.join(runs_on)}.", *sorted({one.failure for one in bench.nets if one.failure})]:
        console.print(line, highlight=False, soft_wrap=True)
    console.print(_steps(bench))
    media = bench.media
    console.print(
        f"Sound and {media.frames_per_s:.0f} frames a second, faces by {media.detector}: {media.share_of_core:.1%} of "
        f"one core, and {media.decoding_share_of_core:.1%} for decoding the file.",
        highlight=False,
        soft_wrap=True,
    )
    for start in bench.starts:
        console.print(
            f"{'With' if start.speech_model else 'Without'} the speech model: first reading after "
            f"{start.first_reading_s:.2f} s (worst of {start.runs}: {start.first_reading_worst_s:.2f} s), "
            f"{start.resident_mb:.0f} MB resident at most.",
            highlight=False,
            soft_wrap=True,
        )


def _nets(bench: Bench) -> Table:
    table = Table(title="One run of each net (* least CPU: the choice)", title_justify="left")
    table.add_column("net")
    table.add_column("variant")
    for name in ("kB", "threads", "CPU µs", "wall µs", "p99 µs"):
        table.add_column(name, justify="right")
    for one in bench.nets:
        best = bench.chose(one)
        table.add_row(
            one.net,
            f"{one.engine} {one.precision}{' *' if best else ''}",
            f"{one.file_bytes / 1e3:.0f}",
            str(one.threads),
            *(_us(value) for value in (one.cpu_us, one.wall_us, one.wall_p99_us)),
            style="bold" if best else None,
            end_section=_last_of_net(bench.nets, one),
        )
    return table


def _last_of_net(nets: list[NetTime], one: NetTime) -> bool:
    return [other for other in nets if other.net == one.net][-1] is one


def _steps(bench: Bench) -> Table:
    table = Table(title="A step, with the nets chosen, in the quietest of three windows", title_justify="left")
    table.add_column("part")
    table.add_column("what")
    for name in ("CPU µs", "p99 µs", "loudest"):
        table.add_column(name, justify="right")
    for step in bench.steps:
        table.add_row(step.part, step.what, _us(step.cpu_us), _us(step.wall_p99_us), _us(step.cpu_loudest_us))
    return table


def _us(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}" if value >= 10 else f"{value:.1f}"
