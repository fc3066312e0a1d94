"""Where readings go: files that read back, a terminal with states in words, a picture that always draws."""

import io
import logging
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread
from rich.cells import cell_len
from rich.console import Console

from edge.errors import M3erError
from edge.publish.colours import YELLOW, emotion_colours
from edge.publish.json_lines import JsonLines, read_readings
from edge.publish.spans import Span, averaged, edges_s, merged, new_words
from edge.publish.terminal import Terminal
from edge.publish.terminal_table import reading_line, reading_table
from edge.publish.timeline import TruthSpan, draw_timeline
from edge.publish.timeline_text import Ruler
from edge.reading import MODALITIES, PAIRS, UNKNOWN, Modality, ModalityReading, Reading, State, pair_name

LABELS = ("anger", "disgust", "fear", "happy", "neutral", "sad", "surprise")
PAIR_NAMES = [pair_name(*pair) for pair in PAIRS]
MOODS = ("neutral", "happy", "happy", "anger", "sad")  # of the made-up person, seven seconds each
WORDS = "well this is wonderful news i am so happy what a surprise no you never listen i miss her so much"
TRUTH = [TruthSpan(0.0, 14.0, "happy in all three"), TruthSpan(14.0, 35.0, "noise, then a face turned away")]


def scene(count: int = 70) -> list[Reading]:
    """Readings of a person whose mood goes round every 35 s, while senses fail; the same on every call."""
    rng = np.random.default_rng(7)
    shares = np.full(len(LABELS), 1 / len(LABELS))
    readings = []
    for step in range(count):
        t_s, mood = step / 2, MOODS[step // 14 % len(MOODS)]
        target = np.array([0.8 if label == mood else 0.03 for label in LABELS]) * rng.lognormal(0, 0.3, 7)
        shares = 0.72 * shares + 0.28 * target / target.sum()
        failing: dict[Modality, tuple[State, str | None]] = {}
        if 14 <= t_s % 35 < 19:
            failing["speech"] = ("proxy", "noise")
        elif 19.5 <= t_s % 35 < 26.5:
            failing["face"] = ("absent" if t_s % 35 < 21 else "proxy", "no face")
        elif t_s % 35 >= 28:
            failing["face"] = ("proxy", "uncorrelated")
        modalities: dict[Modality, ModalityReading] = {}
        for name in MODALITIES:
            state, reason = failing.get(name, ("live", None))
            modalities[name] = ModalityReading(state=state, reason=reason, age_s=0.1, quality=0.9)
        pairs = [pair_name(*pair) for pair in PAIRS if all(modalities[m].state != "absent" for m in pair)]
        readings.append(
            Reading(
                time="2026-01-05T10:00:00Z",
                t=t_s,
                emotion=LABELS[int(shares.argmax())] if shares.max() > 0.42 else UNKNOWN,
                confidence=float(shares.max()),
                probabilities=dict(zip(LABELS, shares.tolist(), strict=True)),
                modalities=modalities,
                evidence="correlation" if pairs else "single",
                correlation={pair: float(rng.normal(0.5, 0.07)) for pair in pairs},
                threshold=dict.fromkeys(pairs, 0.3),
                transcript=" ".join(WORDS.split()[max(0, step % 70 // 3 - 4) : step % 70 // 3]),
                latency_ms={"capture_to_reading": 40 + rng.gamma(2, 4), "step": 18 + rng.gamma(2, 2)},
                bundle="m3er-small@sha256:9f2c1e77ab01",
            )
        )
    return readings


def all_absent(count: int = 70) -> list[Reading]:
    """Readings of a robot without a camera or microphone."""
    nothing = ModalityReading(state="absent", reason="no $device_{$ fitted")
    update = {"emotion": UNKNOWN, "confidence": 0.0, "evidence": "none", "transcript": ""}
    update |= {name: {} for name in ("probabilities", "correlation", "threshold", "latency_ms")}
    update |= {"modalities": dict.fromkeys(MODALITIES, nothing)}
    return [reading.model_copy(update=update) for reading in scene(count)]


parts = st.builds(
    ModalityReading,
    state=st.sampled_from(["live", "proxy", "absent"]),
    reason=st.none() | st.text(),
    age_s=st.none() | st.floats(0, 1e9),
    quality=st.none() | st.floats(0, 1),
    density=st.none() | st.floats(0, 1e9),
)
any_reading = st.builds(
    Reading,
    time=st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    t=st.floats(0, 1e9),
    emotion=st.sampled_from([*LABELS, UNKNOWN]),
    confidence=st.floats(0, 1),
    probabilities=st.dictionaries(st.sampled_from(LABELS), st.floats(0, 1)),
    modalities=st.dictionaries(st.sampled_from(MODALITIES), parts),
    evidence=st.sampled_from(["correlation", "single", "none"]),
    correlation=st.dictionaries(st.sampled_from(PAIR_NAMES), st.floats(-1, 1)),
    threshold=st.dictionaries(st.sampled_from(PAIR_NAMES), st.floats(-1, 1)),
    # Line breaks that JSON leaves as they are, and signs that take two columns, are the interesting ones.
    transcript=st.text() | st.text("\u2028\x85\r\n\x1b泣 a", max_size=200),
    latency_ms=st.dictionaries(st.text("abc_", min_size=1), st.floats(0, 1e6), max_size=5),
    bundle=st.text(),
)


@given(st.lists(any_reading, max_size=4))
def test_json_lines_read_back_as_they_were(readings: list[Reading]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "readings.jsonl"
        path.touch()  # without a reading there would be no file
        publisher = JsonLines(path)
        for reading in readings:
            publisher.publish(reading)
        publisher.close()
        assert read_readings(path) == readings


def test_file_is_left_alone_until_the_first_reading(tmp_path: Path) -> None:
    old, new = tmp_path / "old.jsonl", tmp_path / "sub" / "folder" / "new.jsonl"
    old.write_text("what was there before")
    publishers = [JsonLines(old), JsonLines(new)]
    assert old.read_text() == "what was there before"
    assert not new.parent.parent.exists()
    for path, publisher in zip((old, new), publishers, strict=True):
        publisher.publish(scene(1)[0])
        assert read_readings(path) == scene(1), "a line must be there for others before the file is closed"
        publisher.close()
        publisher.close()
        with pytest.raises(RuntimeError):
            publisher.publish(scene(1)[0])
        assert read_readings(path) == scene(1)


def test_unwritable_places_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(M3erError, match="is a folder"):
        JsonLines(tmp_path)
    with pytest.raises(M3erError, match=r"file is a file; name another"):
        JsonLines(file / "readings.jsonl")
    monkeypatch.setattr("edge.publish.target.os.access", lambda *_: False)
    with pytest.raises(M3erError, match=f"no permission to write {re.escape(str(file))}"):
        JsonLines(file)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_full_disk_is_told() -> None:
    with pytest.raises(M3erError, match=r"/dev/full: No space left.*free space"):
        JsonLines(Path("/dev/full")).publish(scene(1)[0])


def test_malformed_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "readings.jsonl"
    good = scene(1)[0].to_json().encode()
    newer, not_json = good.replace(b'"schema":2', b'"schema":3'), r"not a reading \(.*JSON"
    for bad, fault in (
        (b"", not_json),
        (b"\xff", not_json),
        (good[:-40], not_json),
        (newer, "its schema is 3.*update m3er-edge"),
    ):
        path.write_bytes(b"\n".join([good, good, bad, good]) + b"\n")
        with pytest.raises(M3erError, match=rf"readings.jsonl, line 3: {fault}"):
            read_readings(path)
    with pytest.raises(M3erError, match=r"cannot read readings from .*other"):
        read_readings(tmp_path / "other")


def test_log_has_a_line_a_second_with_states_and_reasons() -> None:
    out = io.BytesIO()
    console = Console(file=io.TextIOWrapper(out, encoding="ascii", write_through=True), width=80)
    terminal = Terminal(LABELS, console, total_s=35.0)
    for reading in scene(70):
        terminal.publish(reading.model_copy(update={"transcript": "[red] ñandú"}))
    terminal.close()
    lines = out.getvalue().decode("ascii").splitlines()
    assert len(lines) == 36, "one a second, and the last reading"
    assert re.search(r"20\.0 s  \w+ +\d+%  face absent \(no face\), speech live, text live", lines[20])
    assert "speech proxy (noise)" in lines[15] and '"[red] ?and?"' in lines[15]
    assert lines[-1].startswith("   34.5 s")


def test_live_table_is_redrawn_seldom_and_ends_with_the_last_reading() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, height=24, _environ={"TERM": "xterm"})
    terminal = Terminal(LABELS, console, total_s=35.0)
    began_s = time.monotonic()
    for reading in scene(70):
        terminal.publish(reading)
    terminal.close()
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue())
    tables = text.split("m3er-edge")[1:]
    assert 2 <= len(tables) <= 3 + 2 * 4 * (time.monotonic() - began_s), "each drawing may be written twice"
    for wanted in ("34.5 s", "◐ proxy", "● live", "uncorrelated", "34 of 35 s", "so much", "≥ 0.30"):
        assert wanted in tables[-1]
    assert out.getvalue().rstrip().endswith("\x1b[?25h"), "the cursor must come back"


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(any_reading, st.none() | st.floats(0.1, 1e6), st.booleans())
def test_any_reading_fits_the_terminal(reading: Reading, total_s: float | None, recording: bool) -> None:
    console = Console(file=io.StringIO(), width=100, color_system=None)
    with console.capture() as capture:
        console.print(reading_table(reading, LABELS, total_s, recording))
    rows = capture.get().split("\n")
    assert ("RECORDING picture and sound" in rows[0]) is recording
    assert len(rows) < 24 and max(cell_len(row) for row in rows) <= 80
    assert reading_line(reading).isprintable()


def pixels(path: Path) -> np.ndarray:
    """A PNG file's colours as (height, width, 3) of 0 to 255."""
    assert path.read_bytes().startswith(b"\x89PNG")
    return np.asarray(np.rint(imread(path)[..., :3] * 255), dtype=np.uint8)


@pytest.mark.parametrize("count", [1, 70])
@pytest.mark.parametrize(("run", "happy"), [(scene, True), (all_absent, False)])
def test_timeline_draws(tmp_path: Path, run: Callable[[int], list[Reading]], count: int, happy: bool) -> None:
    path = tmp_path / "new" / "run.png"
    draw_timeline(run(count), path, title="What $x^{$ the robot felt", truth=TRUTH if count > 1 else None)
    picture = pixels(path)
    assert picture.shape[1] == 1600 and (picture.shape[0] > 1150) == (count > 1), "truth takes a panel"
    yellow = (picture == [int(YELLOW[i : i + 2], 16) for i in (1, 3, 5)]).all(axis=-1)
    assert (yellow.mean() > 0.005) == happy
    assert [file.name for file in path.parent.iterdir()] == ["run.png"]


def test_an_hour_is_drawn_in_seconds(tmp_path: Path) -> None:
    readings, path = scene(7200), tmp_path / "hour.png"
    path.write_text("the picture before")
    with path.open() as reader:
        began_s = time.process_time()
        draw_timeline(readings, path, title="An hour", truth=TRUTH)
        assert time.process_time() - began_s < 5 and pixels(path).shape[1] == 1600
        assert reader.read() == "the picture before", "a reader must never see half a picture"


def test_first_timeline_of_a_user_says_nothing_of_fonts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    draw_timeline(scene(2), tmp_path / "run.png", title="first")
    logging.getLogger("matplotlib.font_manager").info("generated new fontManager")  # what it says then
    assert caplog.messages == []


def test_failing_timeline_leaves_nothing_half_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.png"
    with pytest.raises(M3erError, match="nothing to draw"):
        draw_timeline([], path, title="nothing")
    with pytest.raises(M3erError, match="reading 2 is at 0 s"):
        draw_timeline(scene(2)[::-1], path, title="backwards")
    assert not list(tmp_path.iterdir())
    path.write_text("the picture before")

    def run_out_of_space(canvas: FigureCanvasAgg, file: io.BytesIO) -> None:
        file.write(b"\x89PNG")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(FigureCanvasAgg, "print_png", run_out_of_space)
    with pytest.raises(M3erError, match=r"run\.png: No space left"):
        draw_timeline(scene(2), path, title="full")
    with pytest.raises(M3erError, match="cannot write the timeline"):
        draw_timeline(scene(2), path / "below a file.png", title="no folder")
    assert path.read_text() == "the picture before"
    assert list(tmp_path.iterdir()) == [path]


def test_matplotlib_waits_until_a_picture_is_drawn() -> None:
    code = "import sys, edge.publish.timeline, edge.publish.terminal; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_new_words_are_those_the_transcript_before_did_not_have() -> None:
    said = ["", "i am", "i am so hap", "am so happy now", "", "so happy now no no", "happy now no no no"]
    blank = scene(1)[0]
    readings = [blank.model_copy(update={"t": i / 2, "transcript": words}) for i, words in enumerate(said)]
    late = blank.model_copy(update={"t": 60.0, "transcript": "now no"})
    times_s, words = zip(*new_words([*readings, late]), strict=True)
    assert times_s == (0.5, 1.0, 1.5, 2.5, 3.0, 60.0)
    assert words == ("i am", "so hap", "happy now", "no no", "no", "now no")


def test_labels_get_different_colours() -> None:
    for labels in ([*LABELS, "contempt"], ["happy", "excited", "frustrated", "bored"]):
        assert len(set(emotion_colours(labels).values())) == len(labels)


def test_spans_and_means() -> None:
    edges = edges_s(scene(4))
    assert (edges.tolist(), edges_s(scene(1)).tolist()) == ([0.0, 0.5, 1.0, 1.5, 2.0], [0.0, 0.5])
    assert merged(edges, "aabb") == [Span(0.0, 1.0, "a"), Span(1.0, 2.0, "b")]
    values = np.where(np.arange(1201) < 600, 1.0, np.nan)
    values[599] = np.nan  # its mean, of three, holds readings 597 and 598 too
    steps_s, means = averaged(np.arange(1202.0), values)
    assert steps_s[0] == 0 and steps_s[-1] == 1201 and len(steps_s) == len(means) + 1 <= 601
    assert np.allclose(means[:200], 1.0) and np.isnan(means[200:]).all()


@given(st.lists(st.text("abcWi $_^", min_size=1), min_size=1, max_size=3), st.floats(0, 300))
def test_fitted_text_never_overflows(wordings: list[str], room_px: float) -> None:
    ruler = Ruler(FigureCanvasAgg(Figure(dpi=160)))
    for text in (ruler.fit(wordings, room_px, 8.0), ruler.wrap(wordings[0], room_px, 8.0)):
        for line in (text or "").split("\n"):
            assert ruler.width_px(line, 8.0) <= room_px
