"""The doctor, as a person runs it: what is wrong is said, with what to do, and it always comes to an end."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from edge.bundle import DEFAULT
from edge.capture.devices import CameraDevice
from edge.doctor import checks_machine, checks_models, checks_sensors, checks_settings
from edge.doctor.checks import Finding, State, apart, guarded, worst
from edge.doctor.doctor import print_findings
from edge.errors import M3erError
from edge.models import VOSK_TINY_EN
from tests.test_capture_devices import as_nobody, private_pulse

LONGEST_S = 20.0
NAMES = (
    "python|settings|cameras|microphones|sound daemon|groups|bundle|nets|speech model|onnxruntime|litert|face detector"
)
NAMES += "|clock|heat|governor|memory|disk here|disk for models|shared memory|open files"


def doctor(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """``m3er-edge doctor`` in a folder; never longer than it promises."""
    command = [sys.executable, "-m", "edge.cli", "doctor", *arguments]
    begin_s = time.monotonic()
    done = subprocess.run(
        command, cwd=folder, env=os.environ | dict(environment or {}), capture_output=True, text=True, check=False
    )
    # The interpreter's own start is not the doctor's.
    assert time.monotonic() - begin_s < LONGEST_S + 5
    assert done.stderr == ""
    return done


def findings(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, str]]:
    answer = json.loads(done.stdout)
    assert set(answer) == {"checks", "state"}
    assert all(set(check) == {"name", "state", "said", "do"} for check in answer["checks"])
    states = {check["state"] for check in answer["checks"]}
    assert answer["state"] == next(state for state in ("fault", "warning", "ok") if state in states)
    assert done.returncode == (1 if answer["state"] == "fault" else 0)
    for check in answer["checks"]:
        assert check["said"]
        assert check["do"] or check["state"] == "ok", f"{check['name']}: what is one to do?"
    return {check["name"]: check for check in answer["checks"]}


def test_this_machine_and_programs_that_are_missing(tmp_path: Path) -> None:
    """No pactl, no timedatectl, no vcgencmd: a bare image."""
    found = findings(doctor(["--json"], tmp_path, {"PATH": str(tmp_path)}))
    assert found.keys() >= set(NAMES.split("|"))
    for name in ("python", "bundle", "nets", "speech model", "onnxruntime", "litert", "shared memory"):
        assert found[name]["state"] == "ok", found[name]
    assert "145 words" in found["speech model"]["said"]
    assert "models fetch" in found["speech model"]["do"]
    if not Path("/sys/class/video4linux").exists():
        assert found["cameras"]["state"] == "warning"
        assert "plug one in" in found["cameras"]["do"]


def test_a_broken_bundle_a_broken_speech_model_and_a_wrong_board(tmp_path: Path) -> None:
    bundle, model = tmp_path / "bundle", tmp_path / "vosk"
    shutil.copytree(DEFAULT, bundle)
    with (bundle / "tokens.txt").open("a", encoding="utf-8") as file:
        file.write("more\n")
    shutil.copytree(VOSK_TINY_EN, model)
    for path in model.rglob("*.mdl"):
        path.write_bytes(path.read_bytes()[:100])
    done = doctor(["--json", "--bundle", str(bundle), "--stt-model", str(model), "--board", "pi9"], tmp_path)
    found = findings(done)
    assert done.returncode == 1
    assert "tokens.txt: altered" in found["bundle"]["said"]
    assert found["nets"]["state"] == "fault"
    assert found["speech model"]["state"] == "fault"
    assert "unpack it again" in found["speech model"]["do"]


def test_a_stopped_sound_daemon_is_a_fault_and_the_doctor_ends(tmp_path: Path) -> None:
    pytest.importorskip("pyaudio")
    with private_pulse() as pulse:
        pulse.process.send_signal(signal.SIGSTOP)
        done = doctor(["--json"], tmp_path, pulse.environment)
    found = findings(done)
    assert done.returncode == 1
    for name in ("microphones", "sound daemon"):
        assert found[name]["state"] == "fault"
        assert "does not answer" in found[name]["said"]
        assert "restart" in found[name]["do"]


def test_a_running_sound_daemon_and_its_microphone(tmp_path: Path) -> None:
    pytest.importorskip("pyaudio")
    with private_pulse() as pulse:
        done = doctor([], tmp_path, pulse.environment)
    assert "records from robot_ear" in done.stdout
    assert "--mic 0 (default" in done.stdout
    assert "\x1b" not in done.stdout, "colours are for terminals"


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    (found,) = checks_models.check_speech_model(str(tmp_path / "nowhere"))
    assert (found.state, bool(found.do)) == ("fault", True)
    (found,) = checks_models.check_speech_model("vosk-model-small-en-us-0.99")
    assert found.state == "fault"
    (found,) = checks_models.check_speech_model("none")
    assert found.state == "ok"


def test_a_board_that_is_not_there() -> None:
    (found,) = checks_models.check_nets(str(DEFAULT), "pi9")
    assert (found.state, found.do) == ("fault", "mend the settings first")
    (found,) = checks_settings.check_settings("pi9")
    assert found.state == "fault"
    assert "bench" in found.do


def test_a_malformed_settings_file_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "site.toml", "[pace]\nframe_rate_hz = 300\n")
    monkeypatch.setenv("M3ER_SETTINGS", str(tmp_path / "site.toml"))
    (found,) = checks_settings.check_settings("")
    assert found.state == "fault"
    assert "site.toml:2: pace.frame_rate_hz: is 300" in found.said


def test_a_provider_that_is_not_there_is_a_warning(tmp_path: Path) -> None:
    board = tmp_path / "robot.toml"
    put(board, '[nets.face]\nengine = "onnx"\nprecision = "fp32"\nprovider = "tensorrt"\n')
    good, provider = checks_models.check_nets(str(DEFAULT), str(board))
    assert good.state == "ok"
    assert "face on onnx/CPUExecutionProvider fp32" in good.said
    assert provider.state == "warning"


def test_a_yunet_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "yunet.onnx").write_bytes(b"no net")
    (found,) = checks_models.check_face_detector(str(tmp_path / "yunet.onnx"))
    assert found.state == "fault"


# --- checks that fail themselves ---------------------------------------------------------------------------------


def crashes() -> Sequence[Finding]:
    os.kill(os.getpid(), signal.SIGILL)
    return []


def hangs() -> Sequence[Finding]:
    time.sleep(60)
    return []


def raises() -> Sequence[Finding]:
    raise ValueError("numpy is of another time")


def chats() -> Sequence[Finding]:
    print("a library's greeting")
    return [Finding("library", "ok", "well")]


@pytest.mark.parametrize(
    ("check", "state", "said"),
    [
        (crashes, "fault", "SIGILL"),
        (hangs, "warning", "not done within 1.5 s"),
        (raises, "fault", "ValueError: numpy is of another time"),
        (chats, "ok", "well"),
    ],
)
def test_what_happens_apart_stays_there(check: Callable[[], Sequence[Finding]], state: State, said: str) -> None:
    (found,) = guarded("library", apart("library", check, [], 1.5))
    assert found.state == state
    assert said in found.said
    assert found.do or state == "ok"


def test_a_check_that_raises_is_a_finding() -> None:
    (bug,) = guarded("x", raises)
    assert bug.state == "fault"

    def known() -> Sequence[Finding]:
        raise M3erError("x: too cold; wait for summer; or heat")

    assert guarded("x", known) == [Finding("x", "fault", "too cold; wait for summer", "or heat")]


# --- single checks -----------------------------------------------------------------------------------------------


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_a_bad_power_supply_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """vcgencmd knows what the kernel's file has forgotten."""
    put(tmp_path / "sys/class/thermal/thermal_zone0/type", "cpu-thermal\n")
    put(tmp_path / "sys/class/thermal/thermal_zone0/temp", "52000\n")
    assert checks_machine.check_heat(tmp_path)[0].state == "ok"
    vcgencmd = tmp_path / "bin/vcgencmd"
    put(vcgencmd, '#!/bin/sh\n[ "$1" = get_throttled ] && echo throttled=0x50000\n')
    vcgencmd.chmod(0o755)
    monkeypatch.setenv("PATH", str(vcgencmd.parent), prepend=os.pathsep)
    (found,) = checks_machine.check_heat(tmp_path)
    assert found.state == "warning"
    assert "52 °C; since the board started: under-voltage" in found.said
    assert "power supply" in found.do


@pytest.mark.parametrize(("temperature", "state"), [("79000", "ok"), ("81000", "warning")])
def test_heat(tmp_path: Path, temperature: str, state: State) -> None:
    put(tmp_path / "sys/class/thermal/thermal_zone0/type", "cpu-thermal\n")
    put(tmp_path / "sys/class/thermal/thermal_zone0/temp", temperature)
    (found,) = checks_machine.check_heat(tmp_path)
    assert found.state == state


@pytest.mark.parametrize(
    ("driver", "governor", "state"),
    [
        ("cpufreq-dt", "ondemand", "ok"),
        ("cpufreq-dt", "powersave", "warning"),
        ("intel_pstate", "powersave", "ok"),
    ],
)
def test_governor(tmp_path: Path, driver: str, governor: str, state: State) -> None:
    folder = tmp_path / "sys/devices/system/cpu/cpu0/cpufreq"
    put(folder / "scaling_driver", driver + "\n")
    put(folder / "scaling_governor", governor + "\n")
    assert checks_machine.check_governor(tmp_path)[0].state == state


@pytest.mark.parametrize(
    ("meminfo", "state"),
    [
        ("MemTotal: 4000000 kB\nMemAvailable:    3000000 kB\n", "ok"),
        ("MemAvailable:     200000 kB\n", "warning"),
        ("MemAvailable:      50000 kB\n", "fault"),
        ("MemAvailable:\n", "warning"),
        ("\x00garbage", "warning"),
    ],
)
def test_memory(tmp_path: Path, meminfo: str, state: State) -> None:
    put(tmp_path / "proc/meminfo", meminfo)
    assert checks_machine.check_memory(tmp_path)[0].state == state


def test_a_user_without_the_groups_is_told_how_to_join(monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() != 0 or {44, 29} & set(os.getgroups()):
        pytest.skip("takes root's place and gives it up")
    monkeypatch.setenv("LOGNAME", "robot")
    with as_nobody():
        (found,) = checks_sensors.check_groups()
    assert found.state == "warning"
    assert found.do.startswith("sudo usermod -aG video,audio robot")


def test_sound_cards_that_may_not_be_opened() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        put(root / "dev/snd/pcmC1D0p", "")
        (root / "dev/snd/pcmC1D0p").chmod(0)
        with as_nobody():
            assert checks_sensors.check_sound_cards(root) == [], "it plays, and does not record"
        put(root / "dev/snd/pcmC1D0c", "")
        (root / "dev/snd/pcmC1D0c").chmod(0)
        with as_nobody():
            (found,) = checks_sensors.check_sound_cards(root)
    assert found.state == "fault"
    assert "pcmC1D0c" in found.said
    assert "usermod -aG audio" in found.do


def test_a_camera_that_may_not_be_opened_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = "no permission to open /dev/video0; add the user to the group video: sudo usermod -aG video $USER"
    webcam = CameraDevice(0, "HD Webcam", "/dev/video0", True, problem, denied=True)
    monkeypatch.setattr(checks_sensors, "cameras", lambda: [webcam])
    (found,) = checks_sensors.check_cameras()
    said, do = "HD Webcam (/dev/video0): no permission to open /dev/video0", problem.partition("; ")[2]
    assert found == Finding("cameras", "fault", said, do)
    monkeypatch.setattr(checks_sensors, "cameras", lambda: [dataclasses.replace(webcam, problem=None, denied=False)])
    assert checks_sensors.check_cameras() == [Finding("cameras", "ok", "--camera 0 (HD Webcam)")]


def test_on_a_terminal_states_are_coloured(capsys: pytest.CaptureFixture[str]) -> None:
    some: list[Any] = [Finding("a", "ok", "[well]"), Finding("b", "fault", "ill", "rest")]
    print_findings(some, Console(force_terminal=True, width=60))
    said = capsys.readouterr().out
    assert "\x1b[1;31mfault" in said
    assert "[well]" in said
    assert "1 fault." in said
    assert worst(some) == "fault"
