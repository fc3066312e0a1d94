"""The bench as one page that a person can read anywhere: no file beside it, no network, no scripts."""

from collections.abc import Sequence
from pathlib import Path

from export.bench.pictures import growth_picture, long_run_picture, nets_picture, peers_picture, where_picture
from export.bench.record import Peer, WholeBench
from export.evaluate.evaluation import Cell, write_whole
from export.evaluate.report_page import cards, figure, page, paragraph, side_by_side, table, text


def write_page(bench: WholeBench, path: Path) -> None:
    """Write the page; an older one is replaced whole. Raises M3erError if it cannot be written."""
    sections = [
        ("What was asked for", _goals(bench)),
        ("Each net in each variant", _nets(bench)),
        ("A step and its parts", _steps(bench)),
        ("Against others", _peers(bench)),
        ("Against the core's limit", _limit(bench)),
        ("How cost grows", _growth(bench)),
        ("How this was made", _making(bench)),
    ]
    write_whole(path, page("What does a reading cost?", _header(bench), sections))


def _header(bench: WholeBench) -> str:
    machine = bench.board.machine
    facts = {
        "machine": f"{machine.name}, {machine.cores} cores, {machine.architecture}",
        "engines": f"onnxruntime {machine.onnxruntime} ({', '.join(machine.providers)}), {machine.litert}",
        "bundle": bench.board.bundle[:30],
        "made": f"{bench.made}, commit {bench.commit[:12]}",
    }
    lines = "".join(f"<dt>{fact}</dt><dd>{text(value)}</dd>\n" for fact, value in facts.items())
    return (
        "<h1>What does a reading cost?</h1>\n"
        '<p class="soft">CPU time of the device\'s code on this machine. What is compared was run in turns in one '
        "process on one core: ratios hold where absolute times do not, for the machine is shared.</p>\n"
        f"<dl>\n{lines}<dt>command</dt><dd><code>{text(bench.command)}</code></dd>\n</dl>\n"
    )


def _goals(bench: WholeBench) -> str:
    verdict = {True: ("reached", "reached"), False: ("missed", "missed"), None: ("open", "not measured")}
    rows = [
        [
            text(goal.what),
            text(goal.asked),
            f"<b>{text(goal.measured)}</b>",
            '<span class="verdict {}">{}</span>'.format(*verdict[goal.reached]),
        ]
        for goal in bench.goals
    ]
    left = paragraph("Left out: " + "; ".join(bench.left_out)) if bench.left_out else ""
    return cards(("what", "asked", "measured", ""), rows) + left


def _nets(bench: WholeBench) -> str:
    rows: list[list[Cell]] = [
        [
            one.net,
            one.engine,
            one.precision,
            one.threads,
            round(one.file_bytes / 1e3),
            one.cpu_us,
            one.wall_us,
            one.wall_p99_us,
            "*" if bench.board.chose(one) else "",
            one.failure or one.runs_on,
        ]
        for one in bench.board.nets
    ]
    columns = ("net", "engine", "precision", "threads", "kB", "CPU µs", "wall µs", "wall p99 µs", "choice", "runs on")
    numbers = table(columns, rows, decimals=1)
    caption = "CPU time of one run on one thread, median. int8 beside float, both engines."
    return figure("One run of each net", caption, [nets_picture(bench.board.nets)], numbers)


def _steps(bench: WholeBench) -> str:
    rows: list[list[Cell]] = [
        [s.part, s.what, s.cpu_us, s.wall_us, s.wall_p99_us, s.cpu_loudest_us] for s in bench.board.steps
    ]
    starts: list[list[Cell]] = [
        [
            "with" if s.speech_model else "without",
            s.first_reading_s,
            s.first_reading_worst_s,
            s.resident_mb,
        ]
        for s in bench.board.starts
    ]
    return (
        paragraph(
            "Each part was timed in three windows, half a minute apart: the quietest counts, for what other processes "
            "take is not its cost; the median of the loudest stands beside."
        )
        + table(("part", "what", "CPU µs", "wall µs", "wall p99 µs", "loudest CPU µs"), rows, decimals=0)
        + "<h3>m3er-edge run on the sample clip</h3>\n"
        + table(("speech model", "first reading, s", "worst, s", "resident MB at most"), starts, decimals=2)
    )


def _peers(bench: WholeBench) -> str:
    groups: dict[str, list[Peer]] = {}
    for peer in bench.peers:
        groups.setdefault(peer.group, []).append(peer)
    figures = [
        figure(
            group,
            "CPU time of one call; the number is theirs over ours.",
            [peers_picture(own)],
            table(
                ("ours", "µs", "theirs", "µs", "ratio"),
                [[p.ours, p.ours_us, p.theirs, p.theirs_us, p.ratio] for p in own],
                decimals=1,
            ),
        )
        for group, own in groups.items()
    ]
    return side_by_side(figures)


def _limit(bench: WholeBench) -> str:
    peaks: list[list[Cell]] = [[p.engine, p.precision, p.gmac_per_s] for p in bench.peaks]
    rows: list[list[Cell]] = [
        [
            r.net,
            r.engine,
            r.precision,
            r.macs / 1e6,
            r.weight_bytes / 1e3,
            r.cpu_us,
            100 * r.of_peak,
            r.call_us,
            100 * r.call_us / r.cpu_us,
        ]
        for r in bench.reached
    ]
    columns = ("net", "engine", "precision", "M MAC", "weights kB", "CPU µs", "% of peak", "call µs", "call %")
    return (
        paragraph(
            f"Peak: a product of 256 x 1024 with 1024 x 1024 through the same engine. A copy of 64 MB moves "
            f"{bench.copy_gb_per_s:.1f} GB a second (read and written). Call: what a net of 64 multiply-accumulates "
            "costs through the same engine, so what no net can do without."
        )
        + table(("engine", "precision", "G MAC a second"), peaks, decimals=1)
        + table(columns, rows, decimals=1)
        + figure(
            "Where the time goes in onnxruntime",
            "By its own profiler, which adds to each operation; reorders are changes of memory layout.",
            [where_picture(bench.where)],
            table(
                ("net", "precision", "operation", "share"),
                [[w.net, w.precision, name, share] for w in bench.where for name, share in w.shares.items()],
            ),
        )
    )


def _growth(bench: WholeBench) -> str:
    figures = [
        figure(
            f"Against {growth.name}",
            growth.what,
            [growth_picture(growth)],
            table((growth.name, "CPU µs"), list(zip(growth.at, growth.cpu_us, strict=True)), decimals=1),
        )
        for growth in bench.growth
    ]
    long = bench.long_run
    hours = long.steps[-1] * 0.5 / 3600
    rows = list(zip(long.steps, long.cpu_us, long.resident_mb, long.allocated_blocks, strict=True))
    run = figure(
        f"{long.steps[-1]:,} steps: {hours:.1f} hours of a robot's life",
        f"Median of each {long.block_steps} steps, and the memory after them.",
        [long_run_picture(long)],
        table(("steps", "CPU µs", "resident MB", "Python's objects"), rows, decimals=1),
    )
    return side_by_side(figures) + run


def _making(bench: WholeBench) -> str:
    lines: Sequence[str] = (
        f"<pre>{text(bench.command)}</pre>",
        "<p>Times are CPU time of the whole process, medians over rounds in which each candidate had its turn, after a "
        "round of warm-up. The numbers of this page are in bench.json beside it.</p>",
    )
    return "\n".join(lines) + "\n"
