"""The sample clip, and one that nobody has looked at, from end to end through the command line."""

import ctypes.util
import dataclasses
import io
import math
import shutil
import time
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import edge
from edge.capture.media_file import MediaFile
from edge.capture.sample import SAMPLE_RATE_HZ, AudioBlock, Frame
from edge.cli import main
from edge.models import VOSK_TINY_EN
from edge.perceive.tokens import Vocabulary
from edge.publish.json_lines import read_readings
from edge.reading import Modality, Reading
from export.bundle_writer import write_bundle
from export.sample_clip import make_clip
from export.sample_truth import Truth, truth_path
from tests.clip_score import ClipScore, score
from tests.clip_score import main as print_score
from tests.made_bundle import WORDS, manifest_values, random_tables, write_nets
from tests.made_media import cut, tone, write_media, write_mp3_with_cover

CLIP = Path(edge.__file__).parent / "samples" / "clip.mp4"
LEAST = ClipScore(bad_face_noticed=0.9, bad_speech_noticed=0.9, all_live=0.8, words_recognised=0.8)
Film = list[tuple[float, NDArray[np.uint8]]]
S = TypeVar("S", Frame, AudioBlock)
SHARES = [field.name for field in dataclasses.fields(ClipScore)]


@dataclass(frozen=True)
class Run:
    """A run that ended well: what it was given, printed and wrote."""

    clip: Path
    printed: str
    jsonl: Path
    timeline: Path

    @property
    def readings(self) -> list[Reading]:
        return read_readings(self.jsonl)

    @property
    def score(self) -> ClipScore:
        return score(self.readings, Truth.model_validate_json(truth_path(self.clip).read_text(encoding="utf-8")))


def run_clip(clip: Path, folder: Path, *options: str) -> Run:
    """A media file through ``m3er-edge run``, with readings and timeline in `folder`."""
    run = Run(clip, "", folder / "readings.jsonl", folder / "timeline.png")
    printed = io.StringIO()
    outputs = ["--jsonl", str(run.jsonl), "--timeline", str(run.timeline)]
    with redirect_stdout(printed):
        status = main(["run", "--input", str(clip), *outputs, *options])
    assert status == 0
    return dataclasses.replace(run, printed=printed.getvalue())


def without_clock(readings: list[Reading]) -> list[dict[str, object]]:
    """All of the readings that must not depend on when and how fast they were made."""
    return [reading.model_dump(exclude={"time", "latency_ms"}) for reading in readings]


def samples_of(path: Path, kind: type[S], seconds: float = math.inf) -> list[S]:
    """The frames or the sound of a file's beginning."""
    with MediaFile(path) as media:
        return [s for s in media.samples() if isinstance(s, kind) and s.captured_ns <= seconds * 1e9]


@pytest.fixture(scope="session")
def sample_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_clip(CLIP, tmp_path_factory.mktemp("sample_run"))


@pytest.fixture(scope="session")
def unseen_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Another seed, voice, cover and camera than the clip that everything was tried on."""
    if ctypes.util.find_library("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed: no voice for another clip")
    pytest.importorskip("skimage", reason="scikit-image is not installed: no face for another clip")
    folder = tmp_path_factory.mktemp("unseen_run")
    make_clip(folder / "unseen.mp4", seed=6, voice="en-gb-x-gbcwmd")
    return run_clip(folder / "unseen.mp4", folder)


@pytest.fixture(scope="session")
def run_without_yunet(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The sample clip where no YuNet can be found."""
    folder = tmp_path_factory.mktemp("run_without_yunet")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("M3ER_YUNET", raising=False)
        patch.setenv("XDG_CACHE_HOME", str(folder))
        patch.chdir(folder)
        run = run_clip(CLIP, folder)
    assert "faces by haar" in run.printed
    return run


@pytest.fixture(scope="session")
def two_seconds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample clip's beginning: a face, and somebody who speaks."""
    pictures = [(frame.captured_ns / 1e9, frame.image) for frame in samples_of(CLIP, Frame, 2.0)]
    sound = np.concatenate([block.samples for block in samples_of(CLIP, AudioBlock, 2.0)])
    path = tmp_path_factory.mktemp("two_seconds") / "beginning.mp4"
    return write_media(path, pictures, sound, rate_hz=SAMPLE_RATE_HZ)


# --- what comes out ----------------------------------------------------------------------------------------------


def test_there_is_one_reading_every_half_second(sample_run: Run) -> None:
    truth = Truth.model_validate_json(truth_path(CLIP).read_text(encoding="utf-8"))
    steps = int(truth.duration_s / 0.5)
    assert [reading.t for reading in sample_run.readings] == [0.5 * (1 + step) for step in range(steps)]
    assert f"{steps} readings" in sample_run.printed


def test_the_readings_make_sense(sample_run: Run) -> None:
    for reading in sample_run.readings:
        assert sum(reading.probabilities.values()) == pytest.approx(1, abs=0.01)
        assert reading.confidence == pytest.approx(max(reading.probabilities.values()), abs=1e-6)
        assert reading.emotion in {"unknown", *reading.probabilities}
        for modality in reading.modalities.values():
            assert (modality.state == "live") == (modality.reason is None)
    assert {reading.bundle for reading in sample_run.readings} == {sample_run.readings[0].bundle}


def test_the_timeline_is_a_picture(sample_run: Run) -> None:
    assert sample_run.timeline.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    picture = cv2.imread(str(sample_run.timeline))
    assert picture is not None
    height, width = picture.shape[:2]
    assert 800 <= width <= 4000 and 400 <= height <= 4000
    assert picture.std() > 10 and len(np.unique(picture.reshape(-1, 3), axis=0)) > 20  # something is drawn in it


# --- how good it is ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("run", ["sample_run", "unseen_run", "run_without_yunet"])
def test_failing_sensors_are_noticed_and_good_ones_used(run: str, share: str, request: pytest.FixtureRequest) -> None:
    result: ClipScore = request.getfixturevalue(run).score
    assert getattr(result, share) >= getattr(LEAST, share), result


def test_the_score_can_be_printed(sample_run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert print_score([str(sample_run.jsonl), str(truth_path(CLIP))]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:-7].strip().replace(" ", "_") for line in lines] == SHARES
    assert lines[0].endswith(f"{sample_run.score.bad_face_noticed:7.1%}")


def test_the_score_tells_a_blind_and_deaf_run(sample_run: Run) -> None:
    """Readings in which everything is always live and nothing is heard."""
    truth = Truth.model_validate_json(truth_path(CLIP).read_text(encoding="utf-8"))
    ever_live = {m: part.model_copy(update={"state": "live"}) for m, part in sample_run.readings[0].modalities.items()}
    naive = [r.model_copy(update={"modalities": ever_live, "transcript": ""}) for r in sample_run.readings]
    assert score(naive, truth) == ClipScore(0.0, 0.0, 1.0, 0.0)
    # What is heard too late, or in another order, was not recognised.
    said = " ".join(sentence.text for sentence in truth.sentences)
    late = [r.model_copy(update={"transcript": said if r.t > 30 else "robot"}) for r in naive]
    backwards = [r.model_copy(update={"transcript": " ".join(reversed(said.split()))}) for r in naive]
    assert score(late, truth).words_recognised < 0.3
    assert score(backwards, truth).words_recognised < 0.5


# --- options -----------------------------------------------------------------------------------------------------


def test_two_runs_give_the_same_readings(sample_run: Run, tmp_path: Path) -> None:
    assert without_clock(run_clip(CLIP, tmp_path).readings) == without_clock(sample_run.readings)


def test_realtime_is_as_fast_as_life(two_seconds: Path, tmp_path: Path) -> None:
    (tmp_path / "fast").mkdir()
    fast = run_clip(two_seconds, tmp_path / "fast")
    began_s = time.monotonic()
    live = run_clip(two_seconds, tmp_path, "--realtime")
    assert 1.5 <= time.monotonic() - began_s < 20
    assert [reading.t for reading in live.readings] == [reading.t for reading in fast.readings]
    assert fast.readings[-1].t >= 1.5


def test_check_chooses_the_evidence(two_seconds: Path, tmp_path: Path) -> None:
    """With a bundle for which every feature lies outside the training cloud."""
    rng = np.random.default_rng(1)
    tables = random_tables(rng)
    tables = dataclasses.replace(tables, density_limit=dict.fromkeys(tables.density_limit, 1e-6))
    (tmp_path / "nets").mkdir()
    write_nets(tmp_path / "nets", rng)
    bundle = tmp_path / "bundle"
    write_bundle(bundle, tmp_path / "nets", tables, Vocabulary.of_words(WORDS), "# Narrow\n", manifest_values())
    for check in ("full", "correlation"):
        run = run_clip(two_seconds, tmp_path, "--check", check, "--bundle", str(bundle))
        parts = [part for reading in run.readings for part in reading.modalities.values() if part.density is not None]
        assert len(parts) > 3
        assert {part.reason == "out of distribution" for part in parts} == {check == "full"}


def test_another_speech_model(two_seconds: Path, tmp_path: Path) -> None:
    """A copy of ours in which ``happy`` is spelt otherwise shows that the given one is used."""
    model = tmp_path / "model"
    shutil.copytree(VOSK_TINY_EN, model)
    words = model / "graph/words.txt"
    words.chmod(0o644)
    words.write_text(words.read_text(encoding="utf-8").replace("\nhappy ", "\ngleeful "), encoding="utf-8")
    run = run_clip(two_seconds, tmp_path, "--stt-model", str(model))
    assert run.readings[-1].transcript.startswith("i feel very gleeful")


# --- odd files ---------------------------------------------------------------------------------------------------


def walls(count: int, interval_s: float = 0.1, height: int = 144, faces: int = 0) -> Film:
    """A chequered wall in flickering light, which is no face, with so many faces before it."""
    width, side = height * 16 // 9, height // 3
    rows, columns = np.indices((height, width)) // (height // 6)
    film: Film = []
    for index in range(count):
        grey = (60 + 80 * ((rows + columns) % 2) + index % 4).astype(np.uint8)
        picture = np.repeat(grey[:, :, None], 3, axis=2)
        for face in range(faces):
            head = cv2.resize(pytest.importorskip("skimage.data").astronaut()[30:210, 134:314, ::-1], (side, side))
            picture[height // 4 :, face * side :][:side, :side] = head
        film.append((index * interval_s, picture))
    return film


def reasons(run: Run, modality: Modality) -> set[str | None]:
    return {reading.modalities[modality].reason for reading in run.readings}


def test_no_sound_track(tmp_path: Path) -> None:
    run = run_clip(write_media(tmp_path / "mute.mp4", walls(10)), tmp_path)
    assert reasons(run, "speech") == reasons(run, "text") == {"no sound"}
    assert reasons(run, "face") == {"no face"}


def test_a_telephone_call_has_no_picture(two_seconds: Path, tmp_path: Path) -> None:
    sound = np.concatenate([block.samples for block in samples_of(two_seconds, AudioBlock)])[::2]
    call = write_media(tmp_path / "call.wav", sound=sound, rate_hz=8000, channels=2, audio_codec="pcm_s16le")
    run = run_clip(call, tmp_path)
    assert reasons(run, "face") == {"no picture"}
    assert run.readings[-1].transcript.startswith("i feel very happy")
    assert all(reading.modalities["speech"].density is not None for reading in run.readings)  # it was encoded


def test_a_cover_is_no_picture(tmp_path: Path) -> None:
    run = run_clip(write_mp3_with_cover(tmp_path / "song.mp3", tone(1.0, 44_100)), tmp_path)
    assert reasons(run, "face") == {"no picture"}


def test_4k_held_upright(tmp_path: Path) -> None:
    film = write_media(tmp_path / "phone.mp4", walls(6, height=2160), tone(0.6), rotation_deg=-90)
    run = run_clip(film, tmp_path)
    assert reasons(run, "face") == {"no face"} and reasons(run, "speech") == {"noise"}


def test_a_variable_frame_rate(tmp_path: Path) -> None:
    times_s = np.cumsum([0.02, 0.05, 0.1, 0.3] * 6)
    film = [(float(at_s), picture) for at_s, (_, picture) in zip(times_s, walls(24), strict=True)]
    run = run_clip(write_media(tmp_path / "vfr.mp4", film, tone(2.8)), tmp_path)
    assert [reading.t for reading in run.readings] == [0.5, 1.0, 1.5, 2.0, 2.5]
    assert reasons(run, "face") == {"no face"}


@pytest.mark.parametrize("faces", [0, 1, 5])
def test_faces(faces: int, tmp_path: Path) -> None:
    run = run_clip(write_media(tmp_path / "room.mp4", walls(11, height=720, faces=faces), tone(1.1)), tmp_path)
    seen = [reading.modalities["face"].density is not None for reading in run.readings]  # a face was encoded
    assert all(seen) if faces else reasons(run, "face") == {"no face"} and not any(seen)
    assert reasons(run, "speech") == {"noise"}


def test_a_film_that_breaks_off(tmp_path: Path) -> None:
    whole = write_media(tmp_path / "whole.mkv", walls(30), tone(3.0))
    run = run_clip(cut(whole, tmp_path / "cut.mkv", 0.6), tmp_path)
    assert "breaks off" in run.printed
    assert 1.0 <= run.readings[-1].t <= 2.5 and reasons(run, "face") == {"no face"}


def test_a_blink_of_an_eye(tmp_path: Path) -> None:
    run = run_clip(write_media(tmp_path / "blink.mp4", walls(2), tone(0.2)), tmp_path)
    (reading,) = run.readings
    assert 0 < reading.t <= 0.25 and reading.emotion == "unknown" and reading.evidence == "none"
    assert reasons(run, "speech") == reasons(run, "text") == {"just began"}
