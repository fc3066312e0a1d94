"""A bundle opens if it is whole, and only then; a new one takes its place at once or not at all."""

import hashlib
import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from edge.bundle import CARD, MANIFEST, NETS, TABLES, TOKENS, open_bundle
from edge.errors import M3erError
from edge.perceive.tokens import Vocabulary
from export.bundle_writer import write_bundle
from tests.made_bundle import (
    DIM,
    WORDS,
    edit_manifest,
    manifest_values,
    random_tables,
    replace_file,
    write_nets,
    write_random_bundle,
)

LISTED = [CARD, *(f"nets/{net}.onnx.fp32.onnx" for net in NETS), TABLES, TOKENS]
Arrays = dict[str, NDArray[np.generic]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good bundle, to be left as it is."""
    return write_random_bundle(tmp_path_factory.mktemp("made") / "good", np.random.default_rng(1))


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A good bundle, to be ruined."""
    return Path(shutil.copytree(made, tmp_path / "bundle"))


def replace_tables(folder: Path, edit: Callable[[Arrays], object]) -> None:
    arrays: Arrays = dict(safetensors.numpy.load((folder / TABLES).read_bytes()))
    edit(arrays)
    replace_file(folder, TABLES, safetensors.numpy.save(dict(arrays)))


def refusal(folder: Path, name: str) -> str:
    """The message with which the bundle is refused; it must name the file."""
    with pytest.raises(M3erError) as caught:
        open_bundle(folder)
    assert str(folder / name) in str(caught.value)
    return str(caught.value)


def test_a_whole_bundle_opens_with_everything_in_it(made: Path) -> None:
    bundle = open_bundle(made)
    manifest_sha256 = hashlib.sha256((made / MANIFEST).read_bytes()).hexdigest()
    assert bundle.id == f"tiny@sha256:{manifest_sha256}"
    assert bundle.tables.dim == bundle.manifest.dim == DIM
    assert bundle.vocabulary.words[2:] == WORDS
    assert sorted(bundle.manifest.files) == sorted(LISTED)


def test_a_folder_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    refusal(tmp_path / "nothing", "")


@pytest.mark.parametrize("name", [MANIFEST, *LISTED])
def test_a_missing_file_is_refused_by_name(folder: Path, name: str) -> None:
    (folder / name).unlink()
    refusal(folder, name)


@pytest.mark.parametrize("name", ["readme.txt", "nets/face.onnx.int8.onnx", "nets/deep/er.onnx", ".hidden"])
def test_an_extra_file_is_refused_by_name(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"")
    refusal(folder, name)


@pytest.mark.parametrize("name", LISTED)
@pytest.mark.parametrize("at", [0, -1])
def test_one_flipped_bit_is_refused_by_name(folder: Path, name: str, at: int) -> None:
    content = bytearray((folder / name).read_bytes())
    content[at] ^= 1
    (folder / name).write_bytes(content)
    assert "checksum" in refusal(folder, name)


@pytest.mark.parametrize("name", [MANIFEST, *LISTED])
@pytest.mark.parametrize("cut_bytes", [2, None])
def test_a_truncated_file_is_refused_by_name(folder: Path, name: str, cut_bytes: int | None) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-cut_bytes] if cut_bytes else b"")
    refusal(folder, name)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_changed_byte_is_refused_or_if_it_is_the_manifests_shows_in_the_id(made: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([MANIFEST, *LISTED]))
    good_id, good = open_bundle(made).id, (made / name).read_bytes()
    bad = bytearray(good)
    bad[data.draw(st.integers(0, len(good) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        (made / name).write_bytes(bad)
        opened_id = open_bundle(made).id
        assert name == MANIFEST and opened_id.partition("@")[2] != good_id.partition("@")[2]
    except M3erError as error:
        assert str(made / name if name != MANIFEST else made) in str(error)
    finally:
        (made / name).write_bytes(good)


@pytest.mark.parametrize("text", ["", "not JSON", "[]", "null", "\xff\xfe", '{"format_version": 1}', "{" * 5000])
def test_a_manifest_that_is_none_is_refused_by_name(folder: Path, text: str) -> None:
    (folder / MANIFEST).write_bytes(text.encode("latin-1"))
    refusal(folder, MANIFEST)


def test_a_bundle_of_another_format_version_is_refused_with_both_versions(folder: Path) -> None:
    edit_manifest(folder, lambda manifest: manifest.update(format_version=1))
    assert re.search("version 1.* version 2", refusal(folder, MANIFEST))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("surprise", 1),
        ("name", "../evil"),
        ("labels", ["one"]),
        ("hop_s", float("nan")),
        ("ridge", 0.0),
        ("nets", []),
        ("files", {}),
    ],
)
def test_a_manifest_with_an_unknown_key_or_an_impossible_value_is_refused(folder: Path, key: str, value: Any) -> None:
    edit_manifest(folder, lambda manifest: manifest.update({key: value}))
    refusal(folder, MANIFEST)


@pytest.mark.parametrize("name", ["../outside.txt", "/etc/hostname", "nets/../../out.txt", "..\\outside.txt", "\0"])
def test_a_manifest_that_leads_out_of_its_folder_is_refused(folder: Path, name: str) -> None:
    outside = folder.parent / "outside.txt"
    outside.write_bytes(b"x")
    entry = {"bytes": 1, "sha256": hashlib.sha256(b"x").hexdigest()}
    edit_manifest(folder, lambda manifest: manifest["files"].update({name: entry}))
    assert "leads out of the bundle" in refusal(folder, MANIFEST)


def poisoned(value: float) -> Callable[[Arrays], object]:
    def edit(arrays: Arrays) -> None:
        arrays["density.face.whiten"] = arrays["density.face.whiten"].copy()
        arrays["density.face.whiten"].flat[3] = value

    return edit


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (poisoned(float("nan")), "density.face.whiten"),
        (poisoned(float("inf")), "density.face.whiten"),
        (lambda a: a.update({"cca.face.text": a["cca.face.text"][:, 1:].copy()}), "cca.face.text"),
        (lambda a: a.update({"cca.face.text": a["cca.face.text"][1:]}), "cca.face.text"),
        (lambda a: a.update({"cca.face.text": a["cca.face.text"][0]}), "cca.face.text"),
        (lambda a: a.update({"standardise.text.mean": a["standardise.text.mean"][1:]}), "standardise"),
        (lambda a: a.update({"basis.speech.rows": a["basis.speech.rows"][1:]}), "basis"),
        (lambda a: a.pop("cca.face-text.threshold"), "cca.face-text.threshold is missing"),
        (lambda a: a.pop("basis.face.rows"), "basis.face.rows is missing"),
        (lambda a: a.update(extra=np.zeros(1, np.float32)), "unknown table(s) extra"),
        (lambda a: a.update({"standardise.face.scale": -a["standardise.face.scale"]}), "standardise.face.scale"),
        (lambda a: a.update({"basis.text.scale": np.zeros(1, np.float32)}), "basis.text.scale"),
        (lambda a: a.update({"proxy.face.text.weight": np.zeros(1, np.float32)}), "proxy.face.text.weight"),
        (lambda a: a.update({"calibration.temperature": np.full(3, -1, np.float32)}), "calibration.temperature"),
    ],
)
def test_a_malformed_table_is_refused_by_file_and_name(
    folder: Path, edit: Callable[[Arrays], object], named: str
) -> None:
    replace_tables(folder, edit)
    assert named in refusal(folder, TABLES)


def test_tables_of_other_features_than_the_manifest_says_are_refused(folder: Path) -> None:
    edit_manifest(folder, lambda manifest: manifest.update(dim=DIM + 1))
    assert str(DIM + 1) in refusal(folder, TABLES)


NO_TABLES = [b"", b"garbage" * 99, b"\xff" * 64, (2**62).to_bytes(8, "little") + b"{}"]
NO_TOKENS = [b"", b"hello\n", b"<pad>\n", b"<unk>\n<pad>\n", b"<pad>\n<unk>\nhello\nhello\n"]


@pytest.mark.parametrize(("name", "content"), [*((TABLES, c) for c in NO_TABLES), *((TOKENS, c) for c in NO_TOKENS)])
def test_a_file_that_is_whole_but_not_of_its_kind_is_refused(folder: Path, name: str, content: bytes) -> None:
    replace_file(folder, name, content)
    refusal(folder, name)


@pytest.mark.parametrize("dtype", ["BF16", "F8_E4M3"])
def test_a_table_of_a_type_that_numpy_lacks_is_refused(folder: Path, dtype: str) -> None:
    size = 2 if dtype == "BF16" else 1
    header = json.dumps({"calibration.temperature": {"dtype": dtype, "shape": [1], "data_offsets": [0, size]}}).encode()
    replace_file(folder, TABLES, len(header).to_bytes(8, "little") + header + bytes(size))
    refusal(folder, TABLES)


CHANGES = {"open", "write", "sendfile", "mkdir", "rename", "replace", "unlink", "rmdir"}


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("ruin", ["tables", "net list", "manifest"])
def test_a_new_bundle_that_is_bad_changes_nothing_of_the_old_one(folder: Path, tmp_path: Path, ruin: str) -> None:
    rng, before, values = np.random.default_rng(2), contents(folder), manifest_values("newer")
    tables = random_tables(rng)
    write_nets(tmp_path / "nets", rng)
    if ruin == "tables":
        tables.mean["face"][0] = np.nan
    elif ruin == "net list":
        values["nets"] = values["nets"][1:]
    else:
        del values["dim"]
    with pytest.raises((M3erError, ValidationError)):
        write_bundle(folder, tmp_path / "nets", tables, Vocabulary.of_words(WORDS), "card", values)
    assert contents(folder) == before


@pytest.mark.parametrize("there_was_one", [True, False])
def test_an_interrupted_writing_leaves_the_old_bundle_or_the_new_one_whole(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there_was_one: bool
) -> None:
    """Interrupted before each change of the file system in turn, until it comes to its end."""
    rng, vocabulary = np.random.default_rng(3), Vocabulary.of_words(WORDS)
    place, nets = tmp_path / "place", tmp_path / "nets"
    write_nets(nets, rng)
    monkeypatch.setattr("export.bundle_writer.commit", lambda: "unknown")
    stop_at, changes = 0, 0
    while stop_at <= changes:  # it was interrupted
        shutil.rmtree(place, ignore_errors=True)
        if there_was_one:
            shutil.copytree(made, place / "out")
        stop_at, changes = stop_at + 1, 0

        def interrupt(_: FrameType, event: str, called: Any, stop_at: int = stop_at) -> None:
            nonlocal changes
            changes += event == "c_call" and called.__name__ in CHANGES
            if changes == stop_at:
                raise KeyboardInterrupt

        sys.setprofile(interrupt)
        try:
            write_bundle(place / "out", nets, random_tables(rng), vocabulary, "card", manifest_values("newer"))
        except KeyboardInterrupt:
            pass
        finally:
            sys.setprofile(None)
        if (place / "out").exists():
            open_bundle(place / "out")
        elif there_was_one:  # stopped in the moment between taking the old one away and putting the new one there
            open_bundle(place / "out.old")
    assert stop_at > 30
    assert [path.name for path in place.iterdir()] == ["out"]


def test_a_bundle_can_be_read_by_the_service_that_another_user_runs(made: Path) -> None:
    assert all(path.stat().st_mode & 0o004 for path in made.rglob("*"))
    assert all(path.stat().st_mode & 0o001 for path in made.rglob("*") if path.is_dir())
