"""Readers of corpora that come as ready features: CMU-MOSEI, CMU-MOSI and RAVDESS."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.errors import M3erError
from edge.reading import MODALITIES
from export.corpora.emotions import EMOTIONS
from export.corpora.mosei import MOSEI_EMOTIONS, read_mosei
from export.corpora.mosi import read_mosi
from export.corpora.paired import FeaturePairs
from export.corpora.ravdess_pairs import RAVDESS_EMOTIONS, read_ravdess_pairs, recording_of
from tests.made_readers import change_npz, make_mosei, make_trimodal, remove, steady, write_csd, write_text

REAL_DATA = Path(__file__).parent.parent.parent / "shared" / "data"
ASK_MOSEI = "http://multicomp.cs.cmu.edu/resources/cmu-mosei-dataset/"


# --- CMU-MOSEI ---------------------------------------------------------------------------------------------------


def test_mosei(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pairs = read_mosei(make_mosei(tmp_path))
    assert pairs.label_names == MOSEI_EMOTIONS and set(MOSEI_EMOTIONS) < set(EMOTIONS)
    # The sentence at 6 s has no emotion. At 1 s happy and surprise are equally strong.
    assert pairs.person.tolist() == ["-3g5yACwYnA", "-3g5yACwYnA", "zv0Jl4TIQDc"]
    assert pairs.position.tolist() == [0, 1, 0]
    assert [pairs.label_names[label] for label in pairs.labels] == ["happy", "sad", "fear"]
    assert pairs.split.tolist() == ["", "", ""]
    assert "1 without an emotion" in caplog.text
    # Frame i covers i/2 to (i+1)/2 s and holds i: 1 to 2 s are the frames 2 and 3, 4 to 6 s are 8 to 11, and the
    # sentence from 0.25 to 0.75 s overlaps the frames 0 and 1.
    for number, (m, size) in enumerate(zip(MODALITIES, (35, 74, 300), strict=True)):
        expected = np.array([2.5, 9.5, 0.5], np.float32) + 100 * number
        features = pairs.features[m]
        assert features.dtype == np.float32
        np.testing.assert_allclose(features, np.repeat(expected[:, None], size, axis=1))


def test_mosei_frames_that_are_not_finite_do_not_count(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_mosei(tmp_path)
    features, intervals = steady(74, 10, 0)
    features[2, 5] = -np.inf
    features[8:12] = np.nan
    videos = {"-3g5yACwYnA": (features, intervals), "zv0Jl4TIQDc": (np.empty(0), np.empty(0))}
    write_csd(tmp_path / "acoustic" / "CMU_MOSEI_COVAREP.csd", "COVAREP", videos)
    pairs = read_mosei(tmp_path)
    assert pairs.features["speech"].tolist() == [[3.0] * 74]
    assert "5 frames are not finite" in caplog.text
    assert "2 without speech" in caplog.text


def test_mosei_takes_openface_where_there_is_no_facet(tmp_path: Path) -> None:
    make_mosei(tmp_path)
    facet = tmp_path / "visual" / "CMU_MOSEI_VisualFacet42.csd"
    facet.rename(facet.with_name("CMU_MOSEI_VisualOpenFace2.csd"))
    assert read_mosei(tmp_path).features["face"].shape == (3, 35)
    shutil.copy(facet.with_name("CMU_MOSEI_VisualOpenFace2.csd"), tmp_path / "CMU_MOSEI_OpenFace2.csd")
    with pytest.raises(M3erError, match=r"OpenFace2\.csd and .*OpenFace2\.csd: both may hold the face"):
        read_mosei(tmp_path)


@pytest.mark.parametrize("form", ["txt", "py"])
def test_mosei_folds(form: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_mosei(tmp_path)
    folds = {
        "standard_train_fold": ["zv0Jl4TIQDc"],
        "standard_valid_fold": ["other"],
        "standard_test_fold": ["another"],
    }
    if form == "txt":
        for name, videos in folds.items():
            write_text(tmp_path / f"{name}.txt", "\n".join(videos) + "\n")
    else:
        source = "import os\nos.abort()\n" + "".join(f"{name} = {videos}\n" for name, videos in folds.items())
        write_text(tmp_path / "cmu_mosei_std_folds.py", source)  # read, never run
    pairs = read_mosei(tmp_path)
    assert (pairs.person.tolist(), pairs.split.tolist()) == (["zv0Jl4TIQDc"], ["train"])
    assert "3 in a video that the lists do not name" in caplog.text


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"standard_train_fold.txt": "a\n"}, r"standard_valid_fold\.txt: no such file"),
        ({f"standard_{n}_fold.txt": "a\n" for n in ("train", "valid", "test")}, "put the video a into train and"),
        ({"cmu_mosei_std_folds.py": "standard_train_fold = ["}, r"folds\.py: not the SDK's lists"),
        ({"cmu_mosei_std_folds.py": "standard_train_fold = ['a']"}, r"folds\.py: not the SDK's lists.*valid_fold"),
    ],
)
def test_bad_mosei_folds_are_named(files: dict[str, str], said: str, tmp_path: Path) -> None:
    make_mosei(tmp_path)
    for name, text in files.items():
        write_text(tmp_path / name, text)
    with pytest.raises(M3erError, match=said):
        read_mosei(tmp_path)


@pytest.mark.parametrize(
    ("gone", "named"),
    [
        ("labels/*", "CMU_MOSEI_Labels.csd"),
        ("visual/*", "CMU_MOSEI_VisualFacet42.csd"),
        ("acoustic/*", "CMU_MOSEI_COVAREP.csd"),
        ("language/*", "CMU_MOSEI_TimestampedWordVectors.csd"),
        ("", ""),
    ],
)
def test_mosei_names_what_is_missing_and_where_it_is(gone: str, named: str, tmp_path: Path) -> None:
    folder = make_mosei(tmp_path / "mosei")
    remove(*((folder, gone) if gone else (tmp_path, "mosei")))
    with pytest.raises(M3erError, match=re.escape(str(folder / named))) as error:
        read_mosei(folder)
    assert ASK_MOSEI in str(error.value) and "SDK" in str(error.value)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.write_bytes(b"a page of HTML"), "cannot be read as HDF5"),
        (lambda path: path.write_bytes(path.read_bytes()[:3000]), "cannot be read as HDF5"),
        (lambda path: write_csd(path, "COVAREP", {}), "not a computational sequence"),
        (lambda path: write_csd(path, "C", {"-3g5yACwYnA": ([[1.0]], [[0, 1], [1, 2]])}), "-3g5yACwYnA has features"),
        (
            lambda path: write_csd(path, "C", {"-3g5yACwYnA[0]": ([[1.0]], [[0, 1]])}),
            "no usable sentence .*without speech",
        ),
    ],
)
def test_a_bad_mosei_file_is_named(spoil: Callable[[Path], object], said: str, tmp_path: Path) -> None:
    spoil(make_mosei(tmp_path) / "acoustic" / "CMU_MOSEI_COVAREP.csd")
    with pytest.raises(M3erError, match=said) as error:
        read_mosei(tmp_path)
    assert str(tmp_path) in str(error.value)


def test_other_mosei_labels_are_refused(tmp_path: Path) -> None:
    make_mosei(tmp_path)
    write_csd(tmp_path / "labels" / "CMU_MOSEI_Labels.csd", "Emotion Labels", {"a": ([[0] * 6], [[0, 1]])})
    with pytest.raises(M3erError, match=r"Labels\.csd: a has 6 columns, not sentiment, happy"):
        read_mosei(tmp_path)


# --- ready features ----------------------------------------------------------------------------------------------


def whole(pairs: FeaturePairs, rows: int) -> None:
    """Every array has a row for each moment, and features are finite."""
    arrays: list[NDArray[Any]] = [*pairs.features.values(), pairs.labels, pairs.person, pairs.position, pairs.split]
    assert {len(array) for array in arrays} == {rows}
    for features in pairs.features.values():
        assert features.dtype == np.float32 and features.ndim == 2 and np.isfinite(features).all()
    assert pairs.labels.dtype == pairs.position.dtype == np.int64
    assert pairs.labels.min() >= 0 and pairs.labels.max() < len(pairs.label_names)


def test_mosi(tmp_path: Path) -> None:
    pairs = read_mosi(make_trimodal(tmp_path))
    whole(pairs, 5)
    assert {m: array.shape[1] for m, array in pairs.features.items()} == {"face": 100, "speech": 73, "text": 100}
    with np.load(tmp_path / "mosi_utt_tri.npz") as stored:
        np.testing.assert_array_equal(pairs.features["face"][:3], stored["video_train"])
        np.testing.assert_array_equal(pairs.features["speech"][3:], stored["audio_test"])
    assert pairs.person.tolist() == ["1DmNV9C1hbY", "1DmNV9C1hbY", "a_b", "03bSnISJMiM", "03bSnISJMiM"]
    assert pairs.position.tolist() == [10, 2, 3, 1, 12]
    assert pairs.split.tolist() == ["train"] * 3 + ["test"] * 2
    assert [pairs.label_names[label] for label in pairs.labels[:2]] == ["negative", "positive"]


def test_ravdess_pairs(tmp_path: Path) -> None:
    pairs, names = read_ravdess_pairs(make_trimodal(tmp_path))
    whole(pairs, 16)
    assert set(pairs.features) == {"face", "speech"}
    assert [pairs.label_names[label] for label in pairs.labels[::2]] == list(RAVDESS_EMOTIONS)
    assert pairs.person[:2].tolist() == ["ravdess_01", "ravdess_02"]
    assert pairs.position.tolist() == [i // 2 for i in range(16)]
    assert set(pairs.split.tolist()) == {""}
    assert names[3] == "01-01-02-01-01-01-02" and recording_of(names[3]) == "03-01-02-01-01-01-02"


@pytest.mark.skipif(not REAL_DATA.is_dir(), reason="needs ../shared/data")
def test_the_real_ready_features() -> None:
    mosi = read_mosi(REAL_DATA / "trimodal")
    whole(mosi, 1447 + 752)
    parts = [set(mosi.person[mosi.split == split].tolist()) for split in ("train", "test")]
    assert not parts[0] & parts[1]
    ravdess, names = read_ravdess_pairs(REAL_DATA / "trimodal")
    whole(ravdess, 1440)
    for name, label in zip(names.tolist(), ravdess.labels.tolist(), strict=True):
        assert label == int(name[6:8]) - 1
        assert (REAL_DATA / "speech" / "ravdess" / f"{recording_of(name)}.ogg").is_file()


def test_rows_that_are_not_finite_are_left_out_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_trimodal(tmp_path)
    path = tmp_path / "ravdess_au35_mfcc259.npz"
    with np.load(path) as stored:
        features = stored["face_au"]
    features[3, 7] = np.nan
    change_npz(path, face_au=features)
    pairs, names = read_ravdess_pairs(tmp_path)
    whole(pairs, 15)
    assert "01-01-02-01-01-01-02" not in names
    assert "1 of 16 rows" in caplog.text and "01-01-02-01-01-01-02" in caplog.text
    features[:9] = np.inf
    change_npz(path, face_au=features)
    with pytest.raises(M3erError, match=r"9 of 16 rows of .*ravdess_au35"):
        read_ravdess_pairs(tmp_path)


def test_bad_ready_features_are_named(tmp_path: Path) -> None:
    def refused(read: Callable[[Path], object], file: str, said: str) -> None:
        with pytest.raises(M3erError, match=said) as error:
            read(tmp_path)
        assert str(tmp_path / file) in str(error.value)
        make_trimodal(tmp_path)

    mosi, ravdess = "mosi_utt_tri.npz", "ravdess_au35_mfcc259.npz"
    refused(read_mosi, mosi, "no such file")
    change_npz(tmp_path / mosi, audio_test=None)
    refused(read_mosi, mosi, r"lacks the array\(s\) audio_test")
    change_npz(tmp_path / mosi, y_train=np.array([0, 1, 2]))
    refused(read_mosi, mosi, r"labels are \[0, 1, 2\]")
    change_npz(tmp_path / mosi, utt_test=np.array(["a_1", "b"]))
    refused(read_mosi, mosi, "'b' is not the name of an utterance")
    change_npz(tmp_path / mosi, text_test=np.zeros((3, 100), np.float32))
    refused(read_mosi, mosi, "text has 6 rows for 5")
    (tmp_path / mosi).write_bytes((tmp_path / mosi).read_bytes()[:500])
    refused(read_mosi, mosi, "cannot be read")
    change_npz(tmp_path / ravdess, emotion=np.full(16, 9))
    refused(read_ravdess_pairs, ravdess, "01-01-01-01-01-01-01 has the emotion 9")
    with pytest.raises(M3erError, match="'03-01' is not the name"):
        recording_of("03-01")
