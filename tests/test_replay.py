"""A readings file once more: old ones for ever, at the pace of life, as a picture; and wrong ones in one line."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import replay as command
from edge.command_line import run_command
from edge.publish.json_lines import JsonLines, read_readings
from edge.reading import Reading
from edge.replay import replay, runs_of
from tests.test_publish import scene

# As the first version wrote them, before there were `sequence`, `faces` and `pace`, and at first no `damage`. They are
# in people's files: this text stays as it is.
OLD = """\
{"schema":1,"time":"2026-11-20T09:00:00.500Z","t":0.5,"emotion":"unknown","confidence":0.1429,"probabilities":\
{"anger":0.1429,"disgust":0.1429,"fear":0.1429,"happy":0.1429,"neutral":0.1429,"sad":0.1429,"surprise":0.1429},\
"modalities":{"face":{"state":"absent","reason":"no face","age_s":0.033,"quality":null,"density":null},\
"speech":{"state":"absent","reason":"silence","age_s":0.02,"quality":null,"density":null},\
"text":{"state":"absent","reason":"silence","age_s":null,"quality":null,"density":null}},"evidence":"none",\
"correlation":{},"threshold":{},"transcript":"","latency_ms":{"capture_to_reading":0.41,"encode":0.01,\
"check_proxy_fusion":0.05},"bundle":"default@sha256:0011223344556677"}
{"schema":1,"time":"2026-11-20T09:00:01.000Z","t":1.0,"emotion":"happy","confidence":0.8302,"probabilities":\
{"anger":0.01,"disgust":0.01,"fear":0.01,"happy":0.8302,"neutral":0.1098,"sad":0.02,"surprise":0.01},\
"modalities":{"face":{"state":"live","reason":null,"age_s":0.08,"quality":0.93,"density":0.412,"damage":-4.2},\
"speech":{"state":"live","reason":null,"age_s":0.0,"quality":0.9,"density":0.8,"damage":-5.7},\
"text":{"state":"proxy","reason":"uncorrelated","age_s":0.2,"quality":0.5,"density":0.123,"damage":-8.3}},\
"evidence":"correlation","correlation":{"face-speech":0.7102,"face-text":-0.2,"speech-text":-0.3},\
"threshold":{"face-speech":0.2,"face-text":0.1,"speech-text":0.1},"transcript":"i am so happy",\
"latency_ms":{"capture_to_reading":41.0,"encode":0.6,"check_proxy_fusion":0.3},\
"bundle":"default@sha256:0011223344556677"}
"""


class Kept:
    """A publisher that remembers."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.at_s: list[float] = []

    def publish(self, reading: Reading) -> None:
        self.readings.append(reading)
        self.at_s.append(time.monotonic())

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old.jsonl"
    path.write_text(OLD, encoding="utf-8")
    return path


def call(*arguments: str | Path) -> int:
    return run_command("m3er-edge", "", [("replay", command, "")], ["replay", *map(str, arguments)])


def written(path: Path, readings: list[Reading]) -> Path:
    lines = JsonLines(path)
    for reading in readings:
        lines.publish(reading)
    lines.close()
    return path


def test_a_file_of_the_first_version_is_read_for_ever(old: Path) -> None:
    first, second = read_readings(old)
    assert (first.schema_version, first.t, first.emotion, first.evidence) == (1, 0.5, "unknown", "none")
    assert first.modalities["face"].reason == "no face" and first.modalities["face"].damage is None
    assert (second.emotion, second.confidence, second.transcript) == ("happy", 0.8302, "i am so happy")
    assert second.modalities["text"].state == "proxy" and second.modalities["face"].damage == -4.2
    assert second.correlation["face-speech"] == 0.7102 and second.threshold["face-text"] == 0.1
    assert (second.sequence, second.faces, second.pace) == (0, 0, None)
    assert [reading.to_json() for reading in runs_of([first, second])[0]] == [first.to_json(), second.to_json()]


def test_an_old_file_is_shown_and_drawn(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(old, "--speed", "100") == 0
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == 2 and "unknown" in shown[0] and "happy" in shown[1]
    picture = old.with_suffix(".png")
    assert call(old, "--timeline", picture) == 0
    assert picture.read_bytes().startswith(b"\x89PNG") and capsys.readouterr().out == f"Timeline: {picture}\n"
    assert call(old, "--timeline", picture, "--speed", "100") == 0
    assert capsys.readouterr().out.splitlines() == [f"Timeline: {picture}", *shown]


def test_readings_come_as_far_apart_as_they_were_made_in_all_places() -> None:
    readings, places = scene(30), [Kept(), Kept()]
    waits: list[float] = []
    replay(readings, places, 2.0, waits.append)
    assert [place.readings for place in places] == [readings, readings]
    assert len(waits) == 29 and sum(waits) == pytest.approx(29 * 0.5 / 2, abs=0.1)
    assert all(wait == pytest.approx(0.25, abs=0.05) for wait in waits)
    place = Kept()
    replay(readings[:11], [place], 10.0)
    assert place.at_s[-1] - place.at_s[0] == pytest.approx(0.5, abs=0.1)
    replay([], [place], 1.0)


def test_time_that_a_place_takes_is_not_waited_for_again() -> None:
    class Slow(Kept):
        def publish(self, reading: Reading) -> None:
            time.sleep(0.03)
            super().publish(reading)

    waits: list[float] = []
    replay(scene(3), [Slow()], 10.0, waits.append)
    assert all(wait < 0.021 for wait in waits)
    replay(scene(3), [Slow()], 100.0, waits.append)
    assert waits[2:] == [0.0, 0.0]


def test_of_several_runs_the_last_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "readings.jsonl", [*scene(6), *scene(3), *scene(2)])
    picture = tmp_path / "timeline.png"
    assert call(path, "--timeline", picture) == 0
    said = capsys.readouterr().out
    assert f"{path} holds 3 runs; this is the last" in said and picture.is_file()
    assert call(path, "--speed", "100") == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + 2
    assert [len(run) for run in runs_of(read_readings(path))] == [6, 3, 2]


@given(st.lists(st.integers(0, 20)))
def test_runs_are_in_order_and_lose_nothing(times_s: list[int]) -> None:
    readings = [READING.model_copy(update={"t": float(t)}) for t in times_s]
    runs = runs_of(readings)
    assert [reading for run in runs for reading in run] == readings
    assert all(run and [r.t for r in run] == sorted(r.t for r in run) for run in runs)


READING = scene(1)[0]


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        (None, (), "cannot read readings from"),
        (b"", (), "holds no reading"),
        (b"\x89PNG\r\n\x1a\n\0\0", (), "line 1: not a reading"),
        (b'{"schema": 3}\n', (), "line 1: its schema is 3, which this m3er-edge does not read; update m3er-edge"),
        (OLD.encode() + b"hello\n", (), "line 3: not a reading"),
        (OLD.encode(), ("--speed", "0"), "--speed 0: must be above 0"),
        (OLD.encode(), ("--speed", "nan"), "--speed nan: must be above 0"),
        (OLD.encode(), ("--timeline", "readings.jsonl"), "is the readings file itself"),
        (OLD.encode(), ("--timeline", "."), "is a folder"),
    ],
)
def test_what_is_wrong_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    content: bytes | None,
    options: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path("readings.jsonl").write_bytes(content)
    assert call("readings.jsonl", *options) == 2
    captured = capsys.readouterr()
    assert said in captured.err and len(captured.err.splitlines()) == 1 and not captured.out
    assert content is None or Path("readings.jsonl").read_bytes() == content


def test_nobody_who_reads_is_one_line_as_well(old: Path) -> None:
    code = "import sys; from edge import replay; from edge.command_line import run_command as r;"
    code += "sys.exit(r('m3er-edge', '', [('replay', replay, '')], ['replay', sys.argv[1], '--speed', '5']))"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(old)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as shown:
        assert shown.stdout is not None and shown.stderr is not None
        shown.stdout.close()
        said = shown.stderr.read()
    assert shown.returncode in (2, 141) and len(said.splitlines()) <= 1
