"""The training side as a whole, on tiny corpora; its splits; its errors."""

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from edge.bundle import open_bundle
from edge.errors import M3erError
from export.bundle import Plan, figures_of, make_bundle
from export.cli import main
from export.corpora.everything import Corpora, read_corpora
from export.evaluate.damage_moments import KINDS, DamageMoments
from export.evaluate.damage_study import damage_study
from export.evaluate.parts import part_answers, worst_mistakes
from export.fuse import FusionPlan
from export.nets.encoder_training import Schedule
from export.nets.encoders import Schedules
from tests.made_corpora import make_corpora, write_sound, write_table

REAL_DATA = Path(__file__).parent.parent.parent / "shared" / "data"
SHORT = Plan(Schedules(*(Schedule(2, batch, 3e-3, damage_steps=20) for batch in (64, 16, 64))), 6, FusionPlan(2, 32))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpora")
    make_corpora(folder, np.random.default_rng(0))
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def out(data: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle trained on the tiny corpora."""
    out = tmp_path_factory.mktemp("made") / "bundle"
    make_bundle(read_corpora(data, cache, 0), out, "tiny", cache, 0, SHORT)
    return out


def test_corpora_to_bundle(out: Path) -> None:
    bundle = open_bundle(out)
    assert bundle.manifest.name == "tiny"
    assert {v.net for v in bundle.manifest.nets} == {"face", "speech", "text", "fusion"}
    figures = bundle.manifest.metrics["figures"]
    assert next(f for f in figures if f["data"] == "FER+")["samples"] == 70
    assert json.loads((out / "metrics.json").read_text()) == bundle.manifest.metrics
    assert all(v.parity["cosine_median"] > 0.9 for v in bundle.manifest.nets)
    card = (out / "card.md").read_text()
    assert "surrogate" in card
    assert "| vote-matched pairs, no face |" in card
    assert [p.name for p in out.parent.iterdir()] == ["bundle"], "nothing half-written lies beside it"


def test_the_evaluation_of_a_bundle_gives_its_cards_figures(out: Path, data: Path, cache: Path) -> None:
    bundle, corpora = open_bundle(out), read_corpora(data, cache, 0)
    stored = [f["value"] for f in bundle.manifest.metrics["figures"]]
    assert [f.value for f in figures_of(bundle, corpora, 0)] == stored
    mistakes = worst_mistakes(part_answers(bundle, corpora), 10)
    assert all(m.truth != m.guess for m in mistakes)
    assert [m.confidence for m in mistakes] == sorted((m.confidence for m in mistakes), reverse=True)


def test_every_damage_is_measured_on_every_modality(out: Path, data: Path, cache: Path) -> None:
    bundle, corpora = open_bundle(out), read_corpora(data, cache, 0)
    moments = [DamageMoments(bundle, corpora, data / "speech", s, 12, 0) for s in ("validation", "test")]
    study = damage_study(bundle.tables, *moments)
    kinds = {(m, kind) for m, of in KINDS.items() for kind in of}
    assert {(row[0], row[1]) for row in study.tables[0].rows} >= kinds
    assert all(0.0 <= figure.value <= 1.0 for figure in study.figures)
    assert [len(roc.curves) for roc in study.rocs] == [len(of) for of in KINDS.values()]
    clean = moments[1].clean()
    assert all(np.isfinite(f).all() and f.shape == clean["face"].shape for f in clean.values())
    silent = moments[1].damaged_sounds("muted", 2)
    assert moments[1].sensor_fired(silent).all(), "the sensor knows a dead microphone by itself"


def _no_one_on_two_sides(corpora: Corpora) -> None:
    for one, other in combinations(("train", "matching", "validation", "test"), 2):
        speakers = [{r.speaker for r in corpora.recordings[s]} for s in (one, other)]
        assert not speakers[0] & speakers[1]
        texts = [{u.words for u in corpora.utterances[s]} for s in (one, other)]
        assert not texts[0] & texts[1]
        images = [{image.tobytes() for image in corpora.faces[s].images} for s in (one, other)]
        assert not images[0] & images[1], f"{one} and {other} share images"


def test_no_speaker_image_or_text_is_in_two_splits(data: Path, cache: Path) -> None:
    _no_one_on_two_sides(read_corpora(data, cache, 1))


@pytest.mark.skipif(not REAL_DATA.is_dir(), reason="needs ../shared/data")
def test_no_image_or_text_of_the_real_corpora_is_in_two_splits() -> None:
    from export.corpora.ferplus import read_ferplus
    from export.corpora.utterances import read_utterances

    faces, utterances = read_ferplus(REAL_DATA / "face", 0), read_utterances(REAL_DATA / "text", 0)
    _no_one_on_two_sides(Corpora(faces, {s: [] for s in faces}, utterances, {}))
    assert len(faces["test"].images) == 2_635, "the honest test set of the data's README"


def test_a_second_seed_moves_speakers(data: Path, cache: Path) -> None:
    where = [{r.speaker for r in read_corpora(data, cache, seed).recordings["test"]} for seed in range(6)]
    assert len({frozenset(speakers) for speakers in where}) > 1


@pytest.mark.parametrize(
    "missing",
    ["face/fer2013plus.png", "face/fer2013plus.csv.gz", "speech/speech.csv.gz", "text/text.csv.gz"],
)
def test_a_missing_file_is_named(missing: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for source in data.rglob("*"):
        target = tmp_path / "data" / source.relative_to(data)
        if source.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        elif source.relative_to(data).as_posix() != missing:
            target.symlink_to(source)
    status = main(["bundle", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "b"), "--cache", str(tmp_path)])
    assert status == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert Path(missing).name in error
    assert not (tmp_path / "b").exists()


def test_what_is_no_bundle_is_not_overwritten(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "holiday.jpg").touch()
    assert main(["bundle", "--data", str(data), "--out", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err
    assert (tmp_path / "holiday.jpg").exists()


def _speech_folder(folder: Path, **changes: object) -> Path:
    row: dict[str, object] = {
        "path": "a.ogg",
        "dataset": "crema",
        "speaker": "x",
        "emotion": "happy",
        "act_start": 0.0,
        "act_end": 0.5,
        "flags": "",
    }
    write_table(folder / "speech.csv.gz", [row | changes])
    write_table(folder / "face_votes.csv.gz", [{"clip": "a", "votes_angry": 1}])
    return folder


def test_an_unknown_emotion_and_an_unreadable_clip_are_named(tmp_path: Path) -> None:
    from export.corpora.recordings import read_recordings

    folder = _speech_folder(tmp_path)
    (folder / "a.ogg").write_bytes(b"no sound")
    with pytest.raises(M3erError, match=r"a\.ogg"):
        read_recordings(folder, tmp_path, 0)
    write_sound(folder / "a.ogg", np.zeros(16_000, np.int16))
    with pytest.raises(M3erError, match="hungry"):
        read_recordings(_speech_folder(folder, emotion="hungry"), tmp_path, 0)
