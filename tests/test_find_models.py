"""Models are found by their names, and the command lists and fetches them."""

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from edge.cli import main
from edge.errors import M3erError
from edge.models import VOSK_TINY_EN
from edge.models.fetch import fetch
from edge.models.find import best_speech_model, find_speech_model, speech_model_places
from edge.models.public import PUBLIC_MODELS
from edge.perceive.face_detector import open_detector
from edge.perceive.speech_model import load_model
from tests.made_model_server import bare_machine, serving

YUNET = Path(__file__).parents[1] / "../shared/data/models/face_detection_yunet_2023mar.onnx"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return bare_machine(tmp_path, monkeypatch)


def test_a_vosk_model_is_fetched_found_by_its_name_and_opens(folder: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as zipped:
        for path in VOSK_TINY_EN.rglob("*"):
            zipped.write(path, Path("made-model") / path.relative_to(VOSK_TINY_EN))
    with serving() as server:
        server.content = packed.getvalue()
        fetch(server.model("made-model", zipped=True), folder)
    found = find_speech_model("made-model")
    assert found == folder / "made-model"
    assert load_model(found).vosk_model_find_word("happy") >= 0


def test_names_are_looked_for_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    own, home = tmp_path / "own", tmp_path / "home/.cache/vosk"
    monkeypatch.setenv("VOSK_MODEL_PATH", str(own))
    assert speech_model_places()[:2] == [own, folder]
    for place in (home, folder, own):
        (place / "my-model").mkdir(parents=True)
        assert find_speech_model("my-model") == place / "my-model"
    monkeypatch.delenv("VOSK_MODEL_PATH")
    assert find_speech_model("my-model") == folder / "my-model"
    here = tmp_path / "my-model"
    here.mkdir()
    assert find_speech_model("my-model") == Path("my-model"), "a path that exists is taken as it is"
    assert find_speech_model(str(here)) == here
    assert find_speech_model("vosk-tiny-en") == VOSK_TINY_EN


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("vosk-model-small-de-0.15", "models fetch vosk-model-small-de-0.15"),
        ("vosk-tyni-en", "did you mean vosk-tiny-en"),
        ("en-us", "did you mean vosk-model-small-en-us-0.15"),
        ("mymodel", "did you mean my-model"),
        ("qqqq", "models list"),
        ("no/such/folder", "no such speech model folder"),
        ("", "no such speech model folder"),
        ("x" * 300, "no such speech model"),
    ],
)
def test_a_model_that_is_nowhere(name: str, said: str, folder: Path) -> None:
    (folder / "my-model").mkdir(parents=True)
    with pytest.raises(M3erError, match=said) as error:
        find_speech_model(name)
    assert "/" in name or not name or all(str(place) in str(error.value) for place in speech_model_places())


def test_pins_are_whole() -> None:
    for model in PUBLIC_MODELS:
        assert len(bytes.fromhex(model.sha256)) == 32 and model.sha256 == model.sha256.lower()
        assert model.url.startswith("https://") and model.size_bytes > 100_000
        assert model.zipped == (model.installed_as == model.name)
    for one in ("name", "url", "sha256", "size_bytes"):
        assert len({getattr(model, one) for model in PUBLIC_MODELS}) == len(PUBLIC_MODELS)


@pytest.mark.skipif(not YUNET.is_file(), reason="needs ../shared/data/models/face_detection_yunet_2023mar.onnx")
def test_yunet_is_used_and_listed_once_it_is_fetched(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert open_detector().name == "haar"
    with serving() as server:
        server.content = YUNET.read_bytes()
        path = fetch(replace(PUBLIC_MODELS[0], url=server.model().url), folder)
    assert open_detector().name == "yunet"
    assert main(["models", "list"]) == 0
    assert next(line for line in capsys.readouterr().out.splitlines() if line.startswith("yunet ")).endswith(str(path))


def test_the_list_says_how_to_get_what_is_not_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line}
    assert lines["vosk-tiny-en"].endswith(str(VOSK_TINY_EN))
    for model in PUBLIC_MODELS:
        assert lines[model.name].endswith(f"not here: m3er-edge models fetch {model.name}")


def test_fetching_at_the_command_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "fetch", "vosk-tiny-en"]) == 0
    assert "is shipped" in capsys.readouterr().out
    assert main(["models", "fetch", "yunett"]) == 2
    said = capsys.readouterr().err
    assert "did you mean yunet?" in said and all(model.name in said for model in PUBLIC_MODELS)
    model = PUBLIC_MODELS[1]
    (folder / model.installed_as / "am").mkdir(parents=True)
    assert main(["models", "fetch", model.name]) == 0
    assert capsys.readouterr().out == f"{model.name}: {folder / model.installed_as}\n"


def test_the_best_model_is_an_english_one_that_was_fetched_else_the_shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("VOSK_MODEL_PATH", raising=False)
    assert best_speech_model() == VOSK_TINY_EN
    for name, best in (("vosk-model-small-de-0.15", VOSK_TINY_EN.name), ("vosk-model-small-en-us-0.15", None)):
        (tmp_path / "m3er-edge" / name / "am").mkdir(parents=True)
        assert best_speech_model().name == (best or name)
