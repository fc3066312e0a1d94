"""m3er-edge bench: what it measures is there, what it chooses is the cheapest, what it writes is used."""

import argparse
import functools
import json
import time
from pathlib import Path

import pytest

from edge.bench import bench as command
from edge.bench.bench import SAMPLE_CLIP, measure, quietest
from edge.bench.bench_table import print_bench
from edge.bench.net_times import choose, time_net
from edge.bench.record import Bench, NetTime, StepTime
from edge.bench.step_times import WholeStep
from edge.bench.timing import interleaved
from edge.board import Board, read_board
from edge.bundle import DEFAULT, NETS, Bundle, open_bundle
from edge.cli import main
from edge.engines import litert_engine
from edge.errors import M3erError
from edge.memory import MOST_EVER, resident_mb

_quick = functools.partial(measure, rounds=2, round_s=0.002, starts=1, warm_up_s=0.0)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return open_bundle(DEFAULT)


@pytest.fixture(scope="module")
def measured() -> Bench:
    return _quick(DEFAULT, 2, "cpu", None)


def _time(net: str, engine: str, cpu_us: float | None, failure: str | None = None, threads: int = 1) -> NetTime:
    values = {"net": net, "engine": engine, "precision": "int8", "threads": threads, "file_bytes": 1}
    return NetTime.model_validate(
        {**values, "runs_on": f"{engine}/CPU", "cpu_us": cpu_us, "wall_us": cpu_us, "wall_p99_us": cpu_us}
        | {"failure": failure}
    )


def test_cpu_time_is_told_from_time_that_passes() -> None:
    def busy() -> None:
        end = time.process_time() + 0.002
        while time.process_time() < end:
            pass

    timed = interleaved({"asleep": lambda: time.sleep(0.002), "busy": busy}, rounds=3)
    assert timed["asleep"].wall_us > 2_000 > 1_000 > timed["asleep"].cpu_us
    assert timed["busy"].cpu_us >= 2_000
    assert all(t.wall_p99_us >= t.wall_us for t in timed.values())


def test_calls_take_turns_and_the_first_round_is_not_counted() -> None:
    order: list[str] = []
    interleaved({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, rounds=2, seconds=0.0)
    assert order[-6:] == ["a", "b"] * 3, "one warm-up round and two that count"


def test_everything_is_measured(measured: Bench) -> None:
    assert {(n.net, n.engine, n.precision, n.threads) for n in measured.nets} == {
        (net, engine, precision, threads)
        for net in NETS
        for engine in ("onnx", "litert")
        for precision in ("fp32", "int8")
        for threads in (1, 2)
    }
    assert all(n.cpu_us and n.wall_us and n.wall_p99_us and n.failure is None for n in measured.nets)
    assert {step.part for step in measured.steps} >= {"log-mel", "check + proxy", "fusion step", "whole step"}
    assert measured.media.frames_per_s == pytest.approx(10, abs=0.2) and 0 < measured.media.share_of_core < 1
    assert [start.speech_model for start in measured.starts] == [False, True]
    assert all(0 < s.first_reading_s <= s.first_reading_worst_s and 20 < s.resident_mb < 1_000 for s in measured.starts)
    assert measured.machine.name and measured.machine.litert.startswith("ai-edge-litert")


def test_the_quietest_window_counts_and_the_loudest_is_told() -> None:
    windows = [StepTime(part="a", what="b", cpu_us=us, wall_us=us, wall_p99_us=us) for us in (5.0, 3.0, 9.0)]
    found = quietest(windows)
    assert (found.cpu_us, found.cpu_loudest_us) == (3.0, 9.0)


def test_the_choice_costs_least(measured: Bench) -> None:
    for net, choice in measured.choice.items():
        own = {(n.engine, n.precision, n.threads): n.cpu_us for n in measured.nets if n.net == net}
        assert choice.threads == 1, "more threads never cost less; what says so was noise"
        assert own[choice.engine, choice.precision, 1] == min(us for (*_, n), us in own.items() if us and n == 1)


def test_what_cannot_run_is_not_chosen() -> None:
    times = [_time(net, "litert", None, "not installed") for net in NETS] + [_time(net, "onnx", 9.0) for net in NETS]
    assert {choice.engine for choice in choose(times).values()} == {"onnx"}
    with pytest.raises(M3erError, match=r"face.*not installed"):
        choose([time for time in times if time.engine == "litert"])


def test_a_missing_engine_is_listed_with_its_reason(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(litert_engine, "Interpreter", None)
    times = [time for name in NETS for time in time_net(bundle, name, [1], rounds=1, round_s=0.0)]
    missing = [time for time in times if time.engine == "litert"]
    assert len(missing) == 2 * len(NETS)
    assert all(time.cpu_us is None and "pip install ai-edge-litert" in str(time.failure) for time in missing)
    assert all(time.cpu_us for time in times if time.engine == "onnx")


def test_the_table_fits_into_a_log(measured: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    print_bench(measured)
    said = capsys.readouterr().out
    assert "whole step" in said and "Without the speech model" in said and "tflite" not in said
    assert max(len(line) for line in said.splitlines() if line.startswith(("│", "┃"))) <= 80


def test_the_command_writes_what_run_then_uses(
    tmp_path: Path, measured: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "measure", lambda *_: measured)
    profile, numbers, readings = tmp_path / "board.toml", tmp_path / "bench.json", tmp_path / "readings.jsonl"
    assert main(["bench", "--board", str(profile), "--write", "--json", str(numbers)]) == 0
    assert Bench.model_validate_json(numbers.read_text()) == measured
    assert read_board(str(profile)).nets == measured.choice
    assert measured.machine.name in profile.read_text()
    run = ["run", "--input", str(SAMPLE_CLIP), "--stt-model", "none", "--board", str(profile), "--jsonl", str(readings)]
    assert main(run) == 0
    last = json.loads(readings.read_text().splitlines()[-1])
    assert last["modalities"]["text"]["reason"] == "no recogniser"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--write"], "--board"),
        (["--threads", "0"], "--threads 0"),
        (["--bundle", "nowhere"], "nowhere"),
        (["--json", "nowhere/at/all/bench.json"], "nowhere"),
        (["--board", "nowhere/at/all/board.toml", "--write"], "nowhere"),
    ],
)
def test_wrong_input_is_one_line_before_anything_is_measured(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def never(*_: object) -> Bench:
        open_bundle(Path("nowhere"))
        raise AssertionError

    monkeypatch.setattr(command, "measure", never)
    assert main(["bench", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_a_spoilt_profile_is_refused_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "measure", lambda *_: pytest.fail("measured"))
    profile = tmp_path / "board.toml"
    profile.write_text("[nets.nose]")
    assert main(["bench", "--board", str(profile), "--write"]) == 2
    assert "nets.nose" in capsys.readouterr().err
    assert profile.read_text() == "[nets.nose]"


def test_the_step_that_is_timed_is_a_real_one(bundle: Bundle) -> None:
    """All nets run, and a proxy is made: the face is noise."""
    whole = WholeStep(bundle, Board(), SAMPLE_CLIP)
    for _ in range(8):
        whole.run()
    states = {m: one.state for m, one in whole.reading.modalities.items()}
    assert states == {"face": "proxy", "speech": "live", "text": "live"}
    assert whole.reading.latency_ms["encode"] > 0


def test_nothing_grows_while_steps_are_made(bundle: Bundle) -> None:
    """The bench does 20,000 steps; a leak of one small object a step is seen in 2,000."""
    import gc
    import sys

    whole = WholeStep(bundle, Board(), SAMPLE_CLIP)
    for _ in range(500):
        whole.run()
    gc.collect()
    blocks, memory_mb = sys.getallocatedblocks(), resident_mb()
    for _ in range(2_000):
        whole.run()
    gc.collect()
    assert sys.getallocatedblocks() - blocks < 500
    assert resident_mb() - memory_mb < 2.0


def test_memory_is_that_of_the_process_asked_for() -> None:
    assert 10 < resident_mb() <= resident_mb(MOST_EVER)
    assert resident_mb(process=2**22 + 1) == 0.0


def test_a_command_that_fails_is_told_with_its_reason(tmp_path: Path) -> None:
    from edge.bench.start import time_start

    with pytest.raises(M3erError, match="no-such-clip"):
        time_start(DEFAULT, None, tmp_path / "no-such-clip.mp4", speech_model=False, runs=1)


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    parser.print_help()
    said = capsys.readouterr().out
    assert all(option in said for option in ("--bundle", "--threads", "--provider", "--json", "--board", "--write"))
