"""``make test-arm64``: the sample clip and the self-test on each suite and core, against x86."""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import av

from edge.reading import Reading
from edge.selftest.clip import CLIP, PROBABILITY_TOLERANCE, as_expected, compare, read_expected
from tests.arm64.userland import CORES, SUITES, Userland, build_wheel, missing, with_deb, with_wheel

_RUN_TIMEOUT_S = 3600.0
_HOP_S = 0.5
_LIVE_S = 120.0
"""Most of it goes by until everything is imported: emulated, and on a busy machine, that is a minute."""

_SELF_TEST = """
import json, platform, sys
from dataclasses import asdict
from edge.board import Board
from edge.bundle import DEFAULT, open_bundle
from edge.selftest.stored import self_test
results = [asdict(result) | {"passed": result.passed} for result in self_test(open_bundle(DEFAULT), Board(), True)]
print(json.dumps({"machine": platform.machine(), "python": platform.python_version(), "results": results}))
"""


@dataclass
class Outcome:
    """One thing compared on one suite and core.

    Attributes:
        difference: the greatest; what of stands in `what`.
        said: more, for a person.
    """

    suite: str
    core: str
    what: str
    difference: float
    tolerance: float
    passed: bool
    said: str = ""
    seconds: float = 0.0


@dataclass
class Report:
    """``out/arm64.json``."""

    installed: dict[str, str] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether all is as on x86."""
        return bool(self.outcomes) and all(outcome.passed for outcome in self.outcomes)


def try_self_test(userland: Userland, core: str) -> list[Outcome]:
    """All files of the shipped bundle: one outcome for each group of comparisons."""
    begin_s = time.monotonic()
    with tempfile.TemporaryDirectory() as out:
        done = userland.run([*userland.python, "-c", _SELF_TEST], core, Path(out), _RUN_TIMEOUT_S)
    seconds = time.monotonic() - begin_s
    if done.returncode:
        return [_failure(userland, core, "self-test", done.returncode, done.stderr, seconds)]
    told = json.loads(done.stdout.strip().rpartition("\n")[2])
    if told["machine"] != "aarch64":
        return [_failure(userland, core, "self-test", 0, f"ran on {told['machine']}", seconds)]
    groups: dict[str, list[dict[str, float | str | bool]]] = {}
    for result in told["results"]:
        name = str(result["name"])
        kind = "fp32" if name.endswith("fp32") else "int8" if name.endswith("int8") else "method"
        groups.setdefault(f"{'probabilities' if name.startswith('whole') else 'nets'}, {kind}", []).append(result)
    return [
        Outcome(
            userland.suite,
            core,
            what,
            max(float(result["difference"]) for result in results),
            max(float(result["tolerance"]) for result in results),
            all(bool(result["passed"]) for result in results),
            "; ".join(f"{r['name']}: {r['failure'] or r['difference']}" for r in results if not r["passed"]),
            seconds / len(groups),
        )
        for what, results in sorted(groups.items())
    ]


def try_clip(userland: Userland, core: str, seconds: float | None = None) -> Outcome:
    """The sample clip, or its first seconds, by the command line; compared with the expected readings."""
    begin_s = time.monotonic()
    expected = read_expected().readings
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        if seconds is None:
            (out / "clip.mp4").write_bytes(CLIP.read_bytes())
        else:
            cut(CLIP, out / "clip.mp4", seconds)
            expected = expected[: int(seconds / _HOP_S) - 1]  # the last one may miss a part of its words
        command = [*userland.m3er_edge, "run", "--input", "/out/clip.mp4", "--jsonl", "/out/readings.jsonl"]
        done = userland.run(command, core, out, _RUN_TIMEOUT_S)
        took_s = time.monotonic() - begin_s
        if done.returncode:
            return _failure(userland, core, "clip", done.returncode, done.stderr, took_s)
        lines = (out / "readings.jsonl").read_text(encoding="utf-8").splitlines()
    found = [as_expected(Reading.model_validate_json(line)) for line in lines]
    result = compare(expected, found if seconds is None else found[: len(expected)], PROBABILITY_TOLERANCE)
    return Outcome(
        *(userland.suite, core, "clip", result.probability_difference, result.tolerance, result.passed),
        said=str(result),
        seconds=took_s,
    )


def try_live(userland: Userland, core: str) -> Outcome:
    """A live run without devices: readings, and SIGTERM ends it with status 0."""
    begin_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        command = [*userland.m3er_edge, "run", "--camera", "none", "--mic", "none", "--jsonl", "/out/readings.jsonl"]
        done = userland.run(command, core, Path(folder), _RUN_TIMEOUT_S, stop_after_s=_LIVE_S)
        file = Path(folder) / "readings.jsonl"
        readings = len(file.read_text(encoding="utf-8").splitlines()) if file.exists() else 0
    seconds = time.monotonic() - begin_s
    good = done.returncode == 0 and readings > 0 and f"{readings} readings in" in done.stdout
    said = f"{readings} readings, then SIGTERM" if good else f"status {done.returncode}: {_last(done.stderr)}"
    return Outcome(userland.suite, core, "live run, no devices", 0.0, 0.0, good, said, seconds)


def try_doctor(userland: Userland, core: str) -> Outcome:
    """The doctor finds no fault in what is installed: engines, nets, models, shared memory."""
    begin_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        done = userland.run([*userland.m3er_edge, "doctor", "--json"], core, Path(folder), _RUN_TIMEOUT_S)
    seconds = time.monotonic() - begin_s
    try:
        checks = json.loads(done.stdout)["checks"]
    except (ValueError, KeyError):
        return _failure(userland, core, "doctor", done.returncode, done.stderr, seconds)
    # Emulated, a library takes a minute to import, and the doctor waits 8 s for it: that is no fault of the program.
    faults = [
        f"{c['name']}: {c['said']}" for c in checks if c["state"] == "fault" and "no answer within" not in c["said"]
    ]
    said = "; ".join(faults) or f"{len(checks)} findings, no fault"
    return Outcome(userland.suite, core, "doctor", float(len(faults)), 0.0, not faults, said, seconds)


def cut(clip: Path, out: Path, seconds: float) -> None:
    """The first seconds of a clip, its packets as they are."""
    with av.open(str(clip)) as source, av.open(str(out), "w") as target:
        tracks = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None and float(packet.dts * packet.time_base) < seconds:
                packet.stream = tracks[packet.stream.index]
                target.mux(packet)


def print_table(report: Report) -> None:
    """A row an outcome."""
    for suite, installed in report.installed.items():
        print(f"{suite}: {installed}")
    print(f"{'suite':<9} {'core':<11} {'what':<22} {'difference':>10} {'tolerance':>9} {'seconds':>7}")
    for o in report.outcomes:
        print(
            f"{o.suite:<9} {o.core:<11} {o.what:<22} {o.difference:>10.2g} {o.tolerance:>9.2g} {o.seconds:>7.0f}",
            end="",
        )
        print(f"  {'as on x86' if o.passed else 'DIFFERS'}{'' if o.passed and not o.said else f': {o.said}'}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Everything that is asked for; status 1 where something differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.arm64.arm64")
    parser.add_argument("--suites", nargs="+", choices=SUITES, default=list(SUITES))
    parser.add_argument("--cores", nargs="+", choices=CORES, default=list(CORES))
    parser.add_argument("--deb", nargs="*", type=Path, default=[], help="packages in place of the checkout's wheel")
    parser.add_argument("--out", type=Path, default=Path("out/arm64.json"))
    args = parser.parse_args(arguments)
    reason = missing()
    if reason is not None:
        print(f"arm64 programs cannot be run here: {reason}", file=sys.stderr)
        return 2
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        wheel = build_wheel(scratch) if not args.deb else None
        for userland in (
            [with_wheel(suite, wheel, scratch) for suite in args.suites]
            if wheel is not None
            else [with_deb(deb, scratch) for deb in args.deb]
        ):
            report.installed[userland.suite] = userland.installed
            for core in args.cores:
                print(f"{userland.suite}, {core} …", file=sys.stderr, flush=True)
                report.outcomes += [*try_self_test(userland, core), try_clip(userland, core)]
                _write(report, args.out)
            report.outcomes += [try_live(userland, args.cores[0]), try_doctor(userland, args.cores[0])]
            _write(report, args.out)
    print_table(report)
    print(f"\n{'All as on x86' if report.passed else 'Not all is as on x86'}: {args.out}")
    return 0 if report.passed else 1


def _write(report: Report, out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(asdict(report) | {"passed": report.passed}, indent=1) + "\n", encoding="utf-8")


def _failure(userland: Userland, core: str, what: str, status: int, stderr: str, seconds: float) -> Outcome:
    said = f"status {status}: {_last(stderr)}"
    return Outcome(userland.suite, core, what, float("inf"), 0.0, False, said, seconds)


def _last(stderr: str) -> str:
    return (stderr.strip().splitlines() or ["nothing on stderr"])[-1]


if __name__ == "__main__":
    sys.exit(main())
