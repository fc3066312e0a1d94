"""Whatever ``m3er-edge run`` cannot work with: one line that says what is wrong, and nothing is written."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

import edge
from edge.bundle import CARD, MANIFEST, TABLES, TOKENS
from edge.cli import main
from edge.models import VOSK_TINY_EN
from tests.made_bundle import edit_manifest, replace_file, write_random_bundle
from tests.made_media import cut, damage, every, marked, tone, write_media

SPEECH = Path(edge.__file__).parent / "samples" / "clip.mp4"
FACE_NET = "nets/face.onnx.fp32.onnx"
PICTURES = every(0.1, [marked(index) for index in range(10)])


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of picture and sound."""
    return write_media(tmp_path_factory.mktemp("clip") / "clip.mp4", PICTURES, tone(1.0))


@pytest.fixture(scope="module")
def whole_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_bundle(tmp_path_factory.mktemp("bundle") / "whole", np.random.default_rng(1))


@pytest.fixture
def bundle(whole_bundle: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(whole_bundle, tmp_path / "bundle"))


@pytest.fixture
def speech_model(tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    folder = Path(shutil.copytree(VOSK_TINY_EN, tmp_path / "speech-model"))
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


class Refused:
    """Runs that must end with status 2 and one line, and must write nothing."""

    def __init__(self, clip: Path, bundle: Path, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self._defaults = {"--input": clip, "--bundle": bundle}
        self._folder, self._capfd = folder, capfd

    def __call__(self, named: Path, **changed: Path) -> None:
        """Args: named: the path that the line must hold; changed: options, such as ``stt_model``."""
        options = {f"--{name.replace('_', '-')}": path for name, path in changed.items()}
        for older in (None, b"older"):
            outputs = {f"--{kind}": self._folder / f"out.{kind}" for kind in ("jsonl", "timeline")}
            for path in outputs.values():
                path.unlink(missing_ok=True)
                if older is not None:
                    path.write_bytes(older)
            every_option = self._defaults | outputs | options
            arguments = ["run", *(word for option in every_option.items() for word in map(str, option))]
            self._capfd.readouterr()
            assert main(arguments) == 2
            printed, complaint = self._capfd.readouterr()
            assert_one_line(complaint, named)
            assert printed == ""
            for path in outputs.values():
                assert (path.read_bytes() if path.exists() else None) == older


def assert_one_line(complaint: str, named: Path) -> None:
    """As a capturing terminal sees it: what C and C++ libraries print counts too."""
    assert complaint.count("\n") == 1 and complaint.endswith("\n"), complaint
    assert complaint.startswith("m3er-edge: ") and str(named) in complaint


@pytest.fixture
def refused(clip: Path, whole_bundle: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Refused:
    return Refused(clip, whole_bundle, tmp_path, capfd)


def text(path: Path) -> None:
    path.write_text("It was a dark and stormy night.\n" * 40, encoding="utf-8")


def subtitles(path: Path) -> None:
    path.write_text("1\n00:00:00,000 --> 00:00:02,000\nhello\n\n2\n00:00:03,000 --> 00:00:04,000\nrobot\n")


def without_moov(path: Path) -> None:
    cut(write_media(path.with_name("whole.mp4"), PICTURES, tone(1.0)), path, 0.6)


def all_damaged(path: Path) -> None:
    damage(write_media(path.with_name("whole.mkv"), PICTURES), path, "video", range(10))


NO_MEDIA: dict[str, Callable[[Path], object]] = {
    "missing.mp4": lambda path: None,
    "folder.mp4": Path.mkdir,
    "notes.txt": text,
    "notes.mp4": text,
    "cut.mp4": without_moov,
    "empty.mp4": Path.touch,
    "subtitles.srt": subtitles,
    "damaged.mkv": all_damaged,
}


@pytest.mark.parametrize("name", NO_MEDIA)
def test_no_media(name: str, refused: Refused, tmp_path: Path) -> None:
    NO_MEDIA[name](tmp_path / name)
    refused(tmp_path / name, input=tmp_path / name)


def change_manifest(bundle: Path, **values: object) -> None:
    edit_manifest(bundle, lambda manifest: manifest.update(values))


def alter(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def nan_in_tables(bundle: Path) -> None:
    arrays = safetensors.numpy.load((bundle / TABLES).read_bytes())
    arrays["cca.face.text"][0, 0] = np.nan
    replace_file(bundle, TABLES, safetensors.numpy.save(arrays))


def another_net(bundle: Path) -> None:
    replace_file(bundle, FACE_NET, (bundle / FACE_NET.replace("face", "text")).read_bytes())


def test_no_bundle(refused: Refused, tmp_path: Path, clip: Path) -> None:
    refused(tmp_path / "nowhere", bundle=tmp_path / "nowhere")
    refused(clip, bundle=clip)


SPOILT: dict[str, tuple[str, Callable[[Path], object]]] = {
    "no manifest": (MANIFEST, lambda b: (b / MANIFEST).unlink()),
    "no card": (CARD, lambda b: (b / CARD).unlink()),
    "one net less": (FACE_NET, lambda b: (b / FACE_NET).unlink()),
    "one file more": ("nets/more.onnx", lambda b: (b / "nets/more.onnx").touch()),
    "altered tables": (TABLES, lambda b: alter(b / TABLES)),
    "altered vocabulary": (TOKENS, lambda b: alter(b / TOKENS)),
    "altered net": (FACE_NET, lambda b: alter(b / FACE_NET)),
    "half a manifest": (MANIFEST, lambda b: cut(b / MANIFEST, b / MANIFEST, 0.5)),
    "another format": (MANIFEST, lambda b: change_manifest(b, format_version=1)),
    "another perception": (MANIFEST, lambda b: change_manifest(b, face_side=64)),
    "other labels": (MANIFEST, lambda b: change_manifest(b, labels=["glad", "sad"])),
    "NaN in tables": (TABLES, nan_in_tables),
    "no tables": (TABLES, lambda b: replace_file(b, TABLES, b"no tables")),
    "no vocabulary": (TOKENS, lambda b: replace_file(b, TOKENS, b"hello\n")),
    "not even text": (TOKENS, lambda b: replace_file(b, TOKENS, b"<pad>\n<unk>\n\xff\xfe\n")),
    "no net": (FACE_NET, lambda b: replace_file(b, FACE_NET, b"no net")),
    "another net": (FACE_NET, another_net),
}


@pytest.mark.parametrize("fault", SPOILT)
def test_a_spoilt_bundle(fault: str, refused: Refused, bundle: Path) -> None:
    name, spoil = SPOILT[fault]
    spoil(bundle)
    refused(bundle / name, bundle=bundle)


def test_no_speech_model(refused: Refused, tmp_path: Path, clip: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "nowhere", clip, tmp_path / "empty"):
        refused(path, stt_model=path)


@pytest.mark.parametrize("part", [None, 0.0, 0.5], ids=["missing", "empty", "half"])
@pytest.mark.parametrize(
    "name", ["am/final.mdl", "graph/words.txt", "graph/HCLr.fst", "graph/Gr.fst", "conf/mfcc.conf"]
)
def test_a_spoilt_speech_model(name: str, part: float | None, refused: Refused, speech_model: Path) -> None:
    path = speech_model / name
    if part is None:
        path.unlink()
    else:
        cut(path, path, part)
    refused(speech_model, stt_model=speech_model)


def test_no_face_model(refused: Refused, tmp_path: Path, bundle: Path) -> None:
    text(tmp_path / "yunet.onnx")
    for path in (tmp_path / "nowhere.onnx", tmp_path, tmp_path / "yunet.onnx", bundle / FACE_NET):
        refused(path, face_model=path)


@pytest.mark.parametrize("option", ["jsonl", "timeline"])
def test_nowhere_to_write(option: str, refused: Refused, tmp_path: Path, clip: Path) -> None:
    refused(tmp_path, **{option: tmp_path})
    refused(clip / "below", **{option: clip / "below"})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("option", ["jsonl", "timeline"])
def test_no_permission_to_write(option: str, refused: Refused, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    refused(locked / "out", **{option: locked / "out"})


@pytest.mark.parametrize("option", ["jsonl", "timeline"])
def test_a_run_never_writes_over_its_own_clip(option: str, refused: Refused, tmp_path: Path, clip: Path) -> None:
    own = Path(shutil.copy(clip, tmp_path / "own.mp4"))
    (tmp_path / "link.mp4").symlink_to(own)
    for path in (own, tmp_path / "link.mp4"):
        refused(tmp_path, input=own, **{option: path})
        assert own.read_bytes() == clip.read_bytes()


def refused_alone(tmp_path: Path, named: Path, *arguments: str) -> None:
    """In a process, where no YuNet can be found: what logging and a crash would print is seen too."""
    environment = {k: v for k, v in os.environ.items() if k != "M3ER_YUNET"} | {"XDG_CACHE_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "edge.cli", "run", "--jsonl", "out.jsonl", *arguments]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert_one_line(done.stderr, named)
    assert not (tmp_path / "out.jsonl").exists()


def test_no_media_alone(tmp_path: Path) -> None:
    without_moov(tmp_path / "cut.mp4")
    for name in ("missing.mp4", "cut.mp4"):
        refused_alone(tmp_path, Path(name), "--input", name)


def test_a_speech_model_that_ends_the_process(tmp_path: Path, speech_model: Path) -> None:
    (speech_model / "conf/model.conf").write_text("")
    refused_alone(tmp_path, speech_model, "--input", str(SPEECH), "--stt-model", str(speech_model))


def test_one_file_cannot_hold_readings_and_picture(refused: Refused, tmp_path: Path) -> None:
    refused(tmp_path / "both", jsonl=tmp_path / "both", timeline=tmp_path / "." / "both")
