"""Decoder settings reach the real Vosk, the model's own folder is left as it is, and nothing stays behind."""

import logging
import re
import shutil
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.capture.media_file import MediaFile
from edge.capture.sample import AudioBlock
from edge.errors import M3erError
from edge.models import VOSK_TINY_EN
from edge.perceive.decoder import tuned_model, with_options
from edge.perceive.recogniser import Word
from edge.perceive.speech_model import load_model
from edge.perceive.speech_process import SpeechProcess
from edge.run import open_recogniser
from edge.settings.settings import Speech
from edge.supervisor import Patience, Supervisor, Worker
from edge.worker import start_worker
from tests.soak.live_run import LiveRun
from tests.soak.scene import CLIP

_SAY_PARAMETERS = "import sys, vosk; vosk.SetLogLevel(0); vosk.Model(sys.argv[1])"
_NARROW = Speech(beam=1.0, max_active=200, lattice_beam=0.1)


def parameters(model: Path) -> str:
    """What Vosk itself says that it decodes with."""
    done = subprocess.run([sys.executable, "-c", _SAY_PARAMETERS, model], capture_output=True, text=True, check=True)
    found = re.search(r"Decoding params (.*)", done.stderr)
    assert found is not None, done.stderr
    return found[1]


def heard(speech: Speech) -> list[Word]:
    """The words of eight seconds of the sample clip."""
    recogniser = open_recogniser(speech)
    assert recogniser is not None
    with closing(recogniser), MediaFile(CLIP) as clip:
        for sample in clip.samples():
            if isinstance(sample, AudioBlock) and sample.captured_ns <= 8e9:
                recogniser.feed(sample)
                last_ns = sample.captured_ns
        assert recogniser.wait_until_heard(last_ns, 30)
        return recogniser.words(0)


def test_vosk_decodes_with_what_is_set_and_nothing_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    assert parameters(VOSK_TINY_EN) == "beam=12 max-active=3000 lattice-beam=6"
    before = {path: path.stat().st_mtime_ns for path in VOSK_TINY_EN.rglob("*")}
    with tuned_model(VOSK_TINY_EN, Speech(beam=9.5, max_active=2000, lattice_beam=2).decoder) as tuned:
        assert tuned.name == VOSK_TINY_EN.name and tuned.is_relative_to(tmp_path)
        assert parameters(tuned) == "beam=9.5 max-active=2000 lattice-beam=2"
    assert list(tmp_path.iterdir()) == []
    assert {path: path.stat().st_mtime_ns for path in VOSK_TINY_EN.rglob("*")} == before


def test_a_read_only_model_is_tuned(tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(VOSK_TINY_EN, model)
    for path in [*model.rglob("*"), model]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    with tuned_model(model, {"beam": 8.0}) as tuned:
        assert parameters(tuned) == "beam=8 max-active=3000 lattice-beam=6"


@pytest.fixture(scope="module")
def greedy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small model without its least number of paths, which else makes up for any beam."""
    model = tmp_path_factory.mktemp("greedy") / "model"
    shutil.copytree(VOSK_TINY_EN, model)
    conf = model / "conf" / "model.conf"
    conf.write_text(conf.read_text().replace("--min-active=200", "--min-active=1"))
    return model


def test_a_search_that_is_far_too_narrow_hears_less(greedy: Path) -> None:
    """Through the very functions that a run of a file uses."""
    wide, narrow = heard(Speech(model=str(greedy))), heard(_NARROW.model_copy(update={"model": str(greedy)}))
    assert len(wide) > 10
    assert [word.text for word in wide] != [word.text for word in narrow]


@pytest.mark.parametrize(("tuned", "trouble"), [("good", None), ("bad", "recogniser cannot load its model")])
def test_the_worker_of_a_live_run_loads_the_tuned_model(
    tuned: str, trouble: str | None, greedy: Path, tmp_path: Path
) -> None:
    """And not the model that it is named after in messages."""
    with tuned_model(greedy, _NARROW.decoder) as good:
        words = SpeechProcess()
        given = {"model": str(greedy), "tuned": str(good if tuned == "good" else tmp_path)}
        rings = (words.sound, words.words_ring)
        start = lambda: start_worker("words", "edge.perceive.speech_worker", given, rings)  # noqa: E731
        supervisor = Supervisor([Worker("words", start, words.words_ring, Patience(60, 60, 10, None))])
        supervisor.start()
        try:
            until_s = time.monotonic() + 60
            while words.trouble in ("recogniser loading", "recogniser starting") and time.monotonic() < until_s:
                time.sleep(0.02)
            assert words.trouble == trouble
        finally:
            supervisor.stop()


def test_a_live_run_leaves_no_links_behind(tmp_path: Path) -> None:
    scratch = tmp_path / "run"
    scratch.mkdir()
    environment = {"RUNTIME_DIRECTORY": f"{scratch}:/elsewhere", "M3ER_SPEECH__BEAM": "9"}
    options = ("--camera", "none", "--mic", "nobody's", "--stt-model", VOSK_TINY_EN.name)
    with LiveRun(tmp_path, *options, environment=environment) as run:
        run.wait_for_readings(2, 30)
        (links,) = scratch.iterdir()
        conf = (links / VOSK_TINY_EN.name / "conf" / "model.conf").read_text()
        (words,) = (process for process in run.processes() if process.name == "m3er-words")
        given = Path(f"/proc/{words.pid}/cmdline").read_text()
    assert "--beam=9\n" in conf and "--beam=12" not in conf
    assert str(links) in given
    assert list(scratch.iterdir()) == []


def test_limits_that_contradict_the_models_do_not_end_the_process(tmp_path: Path) -> None:
    """Kaldi aborts where max-active is below min-active."""
    model = tmp_path / "model"
    shutil.copytree(VOSK_TINY_EN, model)
    conf = model / "conf" / "model.conf"
    conf.write_text(conf.read_text().replace("--min-active=200", "--min-active=2500"))
    with tuned_model(model, {"max-active": 300.0}) as tuned:
        load_model(model, tuned=tuned)


def test_a_model_of_the_old_layout_is_used_as_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), tuned_model(tmp_path, {"beam": 9.0}) as tuned:
        assert tuned == tmp_path
    assert "left as they are" in caplog.text


def test_no_room_for_the_links_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "nowhere"))
    with pytest.raises(M3erError, match="TMPDIR"), tuned_model(VOSK_TINY_EN, {"beam": 9.0}):
        pass


_line = st.sampled_from(["--beam=12.0", "--max_active=7", "--min-active=900", "# --beam=3", "--x=1", " --Beam = 4 "])


@given(st.lists(_line), st.fixed_dictionaries({}, optional={"beam": st.just(9.0), "max-active": st.just(300.0)}))
def test_each_option_stands_once_and_the_rest_is_kept(lines: list[str], options: dict[str, float]) -> None:
    out = with_options("\n".join(lines), options).splitlines()
    for name, value in options.items():
        assert [line for line in out if line.strip().lower().startswith(f"--{name}")] == [f"--{name}={value:g}"]
    assert out.count("--x=1") == lines.count("--x=1")
