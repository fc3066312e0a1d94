"""m3er-edge selftest: it proves what it says, says what is wrong, and its report tells nothing of people."""

import getpass
import re
import shutil
import socket
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.board import Board
from edge.bundle import DEFAULT, open_bundle
from edge.cli import main
from edge.doctor.checks import Finding
from edge.errors import M3erError
from edge.selftest import selftest
from edge.selftest.apart import Crash, apart
from edge.selftest.clip import EXPECTED, ExpectedReading, check_clip, compare, read_expected
from edge.selftest.live_check import CameraFigures, LiveFigures, MicrophoneFigures, measure_live
from edge.selftest.report import Report, observations
from tests.made_bundle import replace_file
from tests.made_media import every, write_media
from tests.real import microphone
from tests.real.microphone import VirtualMicrophone

LIVE = LiveFigures(
    seconds=10.0,
    readings=20,
    hop_s=0.5,
    states={"face": {"live": 20}, "speech": {"live": 20}, "text": {"live": 20}},
    camera=CameraFigures(pictures=80, pictures_per_s=8.0, width_px=640, height_px=480, brightness=90.0, with_face=70),
    microphone=MicrophoneFigures(samples_per_s=16001.0, level_dbfs=-30.0, peak_dbfs=-6.0),
    words_in_readings=9,
    latest_step_ms=2.0,
    capture_to_reading_ms=40.0,
    faces_by="haar",
)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole self-test without devices."""
    file = tmp_path_factory.mktemp("selftest") / "report.json"
    assert main(["selftest", "--camera", "none", "--mic", "none", "--report", str(file)]) == 0
    return file


def test_all_is_well_where_the_bundle_was_made(report: Path) -> None:
    found = Report.model_validate_json(report.read_text(encoding="utf-8"))
    assert found.schema_version == 1 and found.program != "unknown"
    assert found.self_test and all(one.passed for one in found.self_test)
    assert found.clip is not None and found.clip.passed and found.clip.readings == len(read_expected().readings)
    assert "whole step" in {step.part for step in found.steps}
    assert {"machine", "doctor", "self-test", "sample clip", "step cost", "heat", "memory"} <= {
        f.name for f in found.findings
    }
    assert found.live is None and found.resident_mb > 10


def test_the_report_tells_nothing_of_people_and_places(report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    assert len(text) < 60_000, "figures only"
    names = {socket.gethostname(), str(Path.home())} | ({getpass.getuser()} - {"root"})
    assert [name for name in names if re.search(rf"\b{re.escape(name)}\b", text)] == []
    assert not re.search(r"\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b", text, re.IGNORECASE)
    said = {words for reading in read_expected().readings for words in [reading.words] if len(words) > 8}
    assert not any(words in text for words in said)


def test_words_of_checks_that_name_devices_or_users_are_left_out() -> None:
    told = [
        Finding("sound daemon", "ok", "records from alsa_input.usb-Maker_Y7XXXX"),
        Finding("groups", "warning", "alice is not in video"),
        Finding("nets", "fault", f"{Path.home()}/b/nets/face.onnx: no"),
    ]
    assert [one.said for one in observations(told)] == ["", "", "~/b/nets/face.onnx: no"]
    assert [one.state for one in observations(told)] == ["ok", "warning", "fault"]


def test_another_net_is_a_fault(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(DEFAULT, tmp_path / "bundle"))
    replace_file(folder, "nets/text.onnx.fp32.onnx", (folder / "nets/text.onnx.int8.onnx").read_bytes())
    found = selftest._Found()
    finding = selftest._stored(open_bundle(folder), "", found)
    assert finding.state == "fault" and finding.said.startswith("text.onnx.fp32 differs by") and finding.do
    assert [one.name for one in found.results if not one.passed] == ["text.onnx.fp32"]


def test_wrong_use_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--bundle", str(tmp_path)], ["--board", "toaster"], ["--report", str(tmp_path)]):
        assert main(["selftest", *arguments]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_a_crash_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nkill -SEGV $$\n")
    program.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(program))
    with pytest.raises(Crash, match="signal 11"):
        apart("clip", DEFAULT, "")


def test_an_error_comes_back_from_the_other_process() -> None:
    with pytest.raises(M3erError, match="nowhere: no such bundle folder"):
        apart("self-test", Path("nowhere"), "")


def test_the_expected_readings_are_of_this_clip_and_this_model() -> None:
    expected = read_expected()
    assert len(expected.readings) == 75 and EXPECTED.stat().st_size < 25_000
    assert compare(expected.readings, expected.readings, 0.0).passed
    states = {state for reading in expected.readings for state in reading.states.values()}
    assert states == {"live", "proxy"}


@given(st.integers(0, 74), st.sampled_from(["states", "probabilities", "missing"]))
def test_one_reading_that_differs_is_found(number: int, what: str) -> None:
    readings = list(read_expected().readings)
    one = readings[number]
    if what == "missing":
        del readings[number]
    elif what == "states":
        readings[number] = one.model_copy(update={"states": {**one.states, "face": "absent"}})
    else:
        changed = {label: abs(p - 0.1) for label, p in one.probabilities.items()}
        readings[number] = ExpectedReading(**{**one.model_dump(), "probabilities": changed})
    assert not compare(read_expected().readings, readings, 0.05).passed


@pytest.mark.parametrize("content", ["", "{}", '{"version": 9}', "[1, 2", "\x00"])
def test_malformed_expected_readings_are_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "clip.expected.json").write_text(content)
    with pytest.raises(M3erError, match=r"clip\.expected\.json: malformed"):
        read_expected(tmp_path / "clip.expected.json")


def test_another_model_is_not_compared(report: Path) -> None:
    from edge.selftest.clip import ClipRun

    bundle = open_bundle(DEFAULT)
    files = {**bundle.manifest.files}
    files["tables.safetensors"] = files["tables.safetensors"].model_copy(update={"sha256": "0" * 64})
    other = replace(bundle, manifest=bundle.manifest.model_copy(update={"files": files}))
    run = ClipRun(readings=read_expected().readings, nets={}, step_ms=1.0, share_of_core=0.1)
    with pytest.raises(M3erError, match="cannot be compared"):
        check_clip(other, run)


@pytest.mark.parametrize(
    ("change", "state", "said"),
    [
        ({}, "ok", "a face in 70 of 80"),
        ({"pictures": 0}, "warning", "no picture"),
        ({"brightness": 3.0}, "warning", "brightness 3"),
        ({"pictures_per_s": 2.0}, "warning", "2.0 pictures"),
        ({"with_face": 0}, "warning", "a face in 0"),
    ],
)
def test_camera_figures_to_look_at(change: dict[str, float], state: str, said: str) -> None:
    assert LIVE.camera is not None
    live = LIVE.model_copy(update={"camera": LIVE.camera.model_copy(update=change)})
    (finding,) = selftest._camera_findings(live)
    assert finding.state == state and said in finding.said and bool(finding.do) == (state != "ok")


@pytest.mark.parametrize(
    ("change", "words", "states"),
    [
        ({}, 9, ["ok", "ok"]),
        ({"gaps": 2}, 9, ["warning"]),
        ({"samples_per_s": 15000.0}, 9, ["warning"]),
        ({"samples_per_s": 0.0}, 9, ["warning"]),
        ({"level_dbfs": -80.0}, 9, ["warning"]),
        ({}, 0, ["ok", "warning"]),
    ],
)
def test_microphone_figures_to_look_at(change: dict[str, float], words: int, states: list[str]) -> None:
    assert LIVE.microphone is not None
    sound = LIVE.microphone.model_copy(update=change)
    live = LIVE.model_copy(update={"microphone": sound, "words_in_readings": words})
    assert [finding.state for finding in selftest._microphone_findings(live)] == states


def test_a_real_camera_is_measured(tmp_path: Path) -> None:
    """A file through the live camera's own way, in a process of its own."""
    from edge.selftest.clip import CLIP

    figures = measure_live(open_bundle(DEFAULT), Board(), str(CLIP), None, None, seconds=6.0)
    assert figures.camera is not None and figures.camera.pictures > 5
    assert figures.camera.with_face > 0 and figures.camera.brightness > 20 and figures.camera.width_px > 100
    assert figures.microphone is None and figures.states["speech"] == {"no microphone": figures.readings}


def test_a_camera_that_shows_nothing_is_measured(tmp_path: Path) -> None:
    clip = write_media(tmp_path / "black.mp4", every(0.1, [np.zeros((120, 160, 3), np.uint8)] * 40))
    figures = measure_live(open_bundle(DEFAULT), Board(), str(clip), None, None, seconds=4.0)
    assert figures.camera is not None and figures.camera.brightness < 15 and figures.camera.with_face == 0


@pytest.mark.skipif(bool(microphone.missing()), reason=microphone.missing())
def test_a_real_microphone_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyaudio", reason="PyAudio is not installed: run 'make live'")
    noise = np.random.default_rng(5).integers(-9_000, 9_000, 16_000, np.int16)
    with VirtualMicrophone() as heard:
        for name, value in heard.environment.items():
            monkeypatch.setenv(name, value)
        heard.play(noise)
        figures = measure_live(open_bundle(DEFAULT), Board(), None, "default", None, seconds=6.0).microphone
    assert figures is not None and figures.samples_per_s == pytest.approx(16_000, rel=0.1)
    assert figures.level_dbfs == pytest.approx(20 * np.log10(9_000 / 3**0.5 / 32_768), abs=1.0)
    assert figures.peak_dbfs == pytest.approx(20 * np.log10(9_000 / 32_768), abs=0.2)
