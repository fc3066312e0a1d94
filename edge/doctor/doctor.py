"""``m3er-edge doctor``: what works on this machine, what does not, and what to do."""

import argparse
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from edge.doctor import checks_machine, checks_models, checks_releases, checks_sensors, checks_settings
from edge.doctor.checks import Check, Finding, State, apart, as_json, guarded, worst
from edge.errors import M3erError
from edge.settings.settings import Settings
from edge.update.slots import Slots, state_folder

_LIMIT_S = 20.0
"""Of the whole; each check that may hang has a shorter one of its own."""
_ENGINE_TIMEOUT_S, _NETS_TIMEOUT_S, _SPEECH_TIMEOUT_S = 8.0, 8.0, 10.0
_COLOURS: dict[State, str] = {"ok": "green", "warning": "yellow", "fault": "bold red"}

Lane = Sequence[tuple[str, Check]]
"""Checks that are made one after the other, with their names."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``m3er-edge doctor``."""
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    parser.add_argument(
        "--bundle", type=Path, metavar="DIR", help="trained model (default: the one installed, else the one shipped)"
    )
    parser.add_argument(
        "--stt-model",
        metavar="PATH|NAME",
        help="Vosk model (default: as a live run takes it); none: face and voice alone",
    )
    parser.add_argument("--board", default="", metavar="NAME|FILE", help="profile to try (default: as a run finds it)")


def run(args: argparse.Namespace) -> int:
    """Look at everything. Exit status 0, or 1 where there is a fault."""
    console = Console()
    try:
        settings = checks_settings.settings_for_board(args.board).settings
    except M3erError:
        settings = Settings()  # what is wrong with them is a finding
    model = args.stt_model or settings.speech.model
    slots = Slots(state_folder())
    asked = (args.bundle or slots.bundle(slots.current()), model, settings.faces.model or "", args.board)
    if args.json:
        findings = examine(*asked)
        print(as_json(findings))
    else:
        with console.status("asking cameras, microphones and models …"):
            findings = examine(*asked)
        print_findings(findings, console)
    return 1 if worst(findings) == "fault" else 0


def examine(bundle: Path, speech_model: str, face_model: str = "", board: str = "") -> list[Finding]:
    """All checks, those that mostly wait beside those that compute. Never raises; takes 20 s at most.

    Args:
        speech_model: a Vosk model's folder or name, or ``none``.
        face_model: YuNet's file; empty: looked for.
        board: a profile's name or file; empty: as a run finds it.
    """
    folder = str(bundle)
    models = checks_models
    lanes: list[Lane] = [
        [("python", checks_machine.check_python), ("settings", lambda: checks_settings.check_settings(board))],
        [("cameras", checks_sensors.check_cameras)],
        [("microphones", checks_sensors.check_microphones), ("sound cards", checks_sensors.check_sound_cards)],
        [("sound daemon", checks_sensors.check_sound_daemon)],
        [("groups", checks_sensors.check_groups)],
        [
            ("releases", lambda: checks_releases.check_releases(Slots(state_folder()))),
            ("bundle", lambda: models.check_bundle(folder)),
            ("nets", apart("nets", models.check_nets, [folder, board], _NETS_TIMEOUT_S)),
            ("speech model", apart("speech model", models.check_speech_model, [speech_model], _SPEECH_TIMEOUT_S)),
        ],
        [
            ("onnxruntime", apart("onnxruntime", models.check_onnxruntime, [], _ENGINE_TIMEOUT_S)),
            ("litert", apart("litert", models.check_litert, [], _ENGINE_TIMEOUT_S)),
        ],
        [("face detector", apart("face detector", models.check_face_detector, [face_model], _ENGINE_TIMEOUT_S))],
        [
            ("clock", checks_machine.check_clock),
            ("heat", checks_machine.check_heat),
            ("governor", checks_machine.check_governor),
            ("memory", checks_machine.check_memory),
        ],
        [("disk", checks_machine.check_disk)],  # a network's disk may hang
        [("shared memory", checks_machine.check_shared_memory), ("open files", checks_machine.check_files)],
    ]
    return list(_in_lanes(lanes))


def _in_lanes(lanes: Sequence[Lane]) -> Iterator[Finding]:
    """Findings in the order of the checks, whichever lane is done first."""
    found: dict[str, Sequence[Finding]] = {}

    def walk(lane: Lane) -> None:
        for name, check in lane:
            found[name] = guarded(name, check)

    # Daemons: what hangs in the kernel must not keep the program from ending.
    threads = [threading.Thread(target=walk, args=(lane,), daemon=True) for lane in lanes]
    for thread in threads:
        thread.start()
    until_s = time.monotonic() + _LIMIT_S
    for thread in threads:
        thread.join(max(0.0, until_s - time.monotonic()))
    for name, _ in (check for lane in lanes for check in lane):
        do = "the machine is very busy, or a device hangs: unplug it, or restart"
        yield from found.get(name, [Finding(name, "fault", f"no answer within {_LIMIT_S:g} s", do)])


def print_findings(findings: Sequence[Finding], console: Console) -> None:
    """A line each, and a last one that counts."""
    print_lines(findings, console)
    counts = [(state, sum(finding.state == state for finding in findings)) for state in ("fault", "warning")]
    counted = " and ".join(f"{n} {state}{'s' if n > 1 else ''}" for state, n in counts if n)
    _print_plain(console, f"\n{counted}." if counted else "\nEverything is well.")


def print_lines(findings: Sequence[Finding], console: Console) -> None:
    """A line each, with what to do behind an arrow; a table without lines on a terminal, plain text elsewhere."""
    arrow = "->" if console.options.ascii_only else "→"
    rows = [(f.state, f.name, f"{f.said}\n{arrow} {f.do}" if f.do else f.said) for f in findings]
    if console.is_terminal:
        table = Table.grid(padding=(0, 2))
        for state, name, said in rows:
            table.add_row(Text(state, _COLOURS[state]), Text(name), Text(said))
        console.print(table)
    else:
        wide = max(len(name) for _, name, _ in rows)
        for state, name, said in rows:
            indent = "\n" + " " * (9 + wide + 2)
            _print_plain(console, f"{state:<9}{name:<{wide}}  {said.replace(chr(10), indent)}")


def _print_plain(console: Console, line: str) -> None:
    line = line.encode(console.encoding, "replace").decode(console.encoding)
    console.print(line, markup=False, highlight=False, emoji=False, soft_wrap=True)
