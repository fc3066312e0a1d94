"""The service under Debian's real systemd: it starts, is watched, comes back, stops, and cannot get out."""

import itertools
import json
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

from edge.capture.media_file import MediaFile
from edge.capture.sample import AudioBlock
from tests.real import alsa_microphone, systemd
from tests.real.alsa_microphone import FifoMicrophone
from tests.real.child import missing_commands
from tests.real.service import (
    CAMERA,
    READINGS,
    RUN,
    STATE,
    UNIT,
    change,
    clear,
    log,
    machine_with_service,
    main_pid,
    readings,
    start,
    until,
)
from tests.real.systemd import SystemdMachine
from tests.soak.scene import CLIP

pytestmark = pytest.mark.skipif(bool(systemd.missing()), reason=systemd.missing() or "-")

PROBE = "/opt/m3er-edge/bin/python /opt/m3er-edge/source/tests/real/confined.py"
DEVICES = {
    "video7": ("video", 81, 7),
    "microphone": ("audio", 116, 3),
    "mem": ("video", 1, 1),
    "tun": ("video", 10, 200),
}


PASSWORD = "corr3ct-h0rse"
BROKER = """
listener 1883 127.0.0.1
allow_anonymous false
password_file /etc/broker.passwords
user root
log_type all
"""


@pytest.fixture(scope="module")
def booted() -> Iterator[SystemdMachine]:
    with machine_with_service() as machine:
        machine.write("/etc/m3er-edge/mqtt-password", PASSWORD + "\n", 0o600)
        yield machine


@pytest.fixture
def machine(booted: SystemdMachine) -> Iterator[SystemdMachine]:
    """With the unit as it is shipped, and nothing left of the test before."""
    yield booted
    clear(booted)


@pytest.mark.parametrize("network", [False, True], ids=["offline", "network"])
def test_a_program_in_it_can_do_what_it_must_and_nothing_else(machine: SystemdMachine, network: bool) -> None:
    for name, (group, major, minor) in DEVICES.items():
        machine.run(
            "sh", "-c", f"test -e /dev/{name} || mknod -m 660 /dev/{name} c {major} {minor}; chgrp {group} /dev/{name}"
        )
    for address in ("192.168.7.7", "203.0.113.7"):
        machine.run("ip", "address", "replace", f"{address}/32", "dev", "lo")
    change(machine, " ".join([PROBE, *(f"/dev/{name}" for name in DEVICES)]), network=network)
    start(machine)
    found = json.loads(machine.path(f"{STATE}/probe.json").read_text(encoding="utf-8"))
    assert found.pop("user") > 1000
    refused = "allowed" if network else "EAFNOSUPPORT"
    assert found == {
        "write /var/lib/m3er-edge": "allowed",
        "write /run/m3er-edge": "allowed",
        **dict.fromkeys([f"write {folder}" for folder in ("/tmp", "/var/tmp", "/", "/etc", "/var/lib")], "EROFS"),
        "write /opt/m3er-edge": "EROFS",
        "write /run": "EACCES",
        "write /home": "EACCES",
        "list /home": "EACCES",
        "list /root": "EACCES",
        "socket AF_UNIX": "allowed",
        "socket AF_INET": refused,
        "socket AF_INET6": refused,
        "socket AF_NETLINK": "EAFNOSUPPORT",
        "socket AF_PACKET": "EAFNOSUPPORT",
        "socket AF_CAN": "EAFNOSUPPORT",
        "listen": refused,
        "send to 127.0.0.1": refused,
        "send to 192.168.7.7": refused,
        "send to 203.0.113.7": "EPERM" if network else "EAFNOSUPPORT",  # outside the house
        "name lookup": "allowed",
        "device /dev/video7": "ENXIO",  # it may, and there is none behind this node
        "device /dev/microphone": "ENXIO",
        "device /dev/mem": "EPERM",
        "device /dev/tun": "EPERM",
        "others' processes": 0,
        "new namespace": "EPERM",
        "writable code": "EPERM",
        "shared memory": "allowed",
        "chroot": "EPERM",
        "ptrace": "EPERM",
        "choose cores": "allowed",
        "no new privileges": 1,
        "capabilities": 0,
        "core file bytes": 1,
    }


@pytest.mark.parametrize(("network", "most"), [(False, 1.0), (True, 2.0)], ids=["offline", "network"])
def test_its_exposure(machine: SystemdMachine, network: bool, most: float) -> None:
    change(machine, network=network)
    said = machine.run("systemd-analyze", "security", "--no-pager", f"--threshold={round(10 * most)}", UNIT)
    assert "Overall exposure level" in said
    print(said.splitlines()[-1])


def test_systemd_finds_nothing_wrong_with_it(machine: SystemdMachine) -> None:
    change(machine, network=True)
    said = machine.run("systemd-analyze", "verify", f"/etc/systemd/system/{UNIT}").splitlines()
    newer = ("RestartSteps", "RestartMaxDelaySec")  # of systemd 254
    assert [line for line in said if not any(f"Unknown key '{name}'" in line for name in newer)] == []


def test_it_is_ready_with_the_first_reading_and_stops_at_once(machine: SystemdMachine) -> None:
    change(machine, f"{RUN} --camera {CAMERA}")
    start(machine)
    until(lambda: len(readings(machine)) >= 3, "no readings")
    entered = machine.run("systemctl", "show", "--timestamp=us+utc", "--value", "-p", "ActiveEnterTimestamp", UNIT)
    ready = datetime.strptime(entered.strip(), "%a %Y-%m-%d %H:%M:%S.%f %Z").replace(tzinfo=timezone.utc)
    first = datetime.fromisoformat(readings(machine)[0].time.replace("Z", "+00:00"))
    assert -0.002 < (ready - first).total_seconds() < 0.4
    until(lambda: any(r.modalities["face"].state == "live" for r in readings(machine)), "it sees no face")
    began_s = time.monotonic()
    machine.run("systemctl", "stop", UNIT)
    assert time.monotonic() - began_s < 2.0
    assert machine.show(UNIT, "Result") == "success"
    # Who may listen may read what was heard: the group audio, and nobody else.
    assert machine.run("stat", "-L", "-c", "%A %G", READINGS).split() == ["-rw-r-----", "audio"]


def test_without_devices_it_runs_as_it_is_shipped_and_says_what_it_lacks(machine: SystemdMachine) -> None:
    start(machine)
    until(lambda: machine.show(UNIT, "StatusText") == "camera not found, microphone not found", "says nothing")
    assert machine.show(UNIT, "ActiveState") == "active"
    lines = [json.loads(line) for line in log(machine).splitlines() if line.startswith("{")]
    assert any("/dev/video0: no such camera" in line["message"] for line in lines if line["process"] == "camera")
    assert not any("Traceback" in line["message"] or "traceback" in line for line in lines)


def test_it_hears_words_in_its_confinement(machine: SystemdMachine) -> None:
    """ALSA, PyAudio, Vosk and both engines, with no writable code and few system calls."""
    if reason := alsa_microphone.missing():
        pytest.skip(reason)
    with MediaFile(CLIP) as clip:
        sound = np.concatenate([sample.samples for sample in clip.samples() if isinstance(sample, AudioBlock)])
    with FifoMicrophone() as microphone:
        folder = Path(microphone.environment["ALSA_CONFIG_PATH"]).parent
        folder.chmod(0o755)
        machine.bind(folder, str(folder))
        engines = {"face": "onnx", "speech": "litert", "text": "onnx", "fusion": "litert"}
        nets = [f'[nets.{net}]\nengine = "{engine}"\nprecision = "int8"\n' for net, engine in engines.items()]
        machine.write("/etc/board.toml", "".join(nets))
        change(
            machine,
            f"{RUN} --camera {CAMERA} --board /etc/board.toml",
            *(f"Environment={name}={value}" for name, value in microphone.environment.items()),
            f"BindReadOnlyPaths={folder}",
        )
        start(machine)
        until_s = time.monotonic() + 40
        for second in itertools.cycle(range(8)):  # so far the clip's voice is clear
            microphone.write(sound[16_000 * second : 16_000 * (second + 1)])
            if any(reading.transcript for reading in readings(machine)) or time.monotonic() > until_s:
                break
        machine.run("systemctl", "stop", UNIT)
    last = [reading for reading in readings(machine) if reading.transcript]
    assert last, f"no words: {readings(machine)[-1:]}; {log(machine)}"
    assert any(reading.modalities["speech"].state == "live" for reading in last)
    assert not any(reading.transcript in log(machine) for reading in last)  # the journal is no place for them


def test_readings_reach_a_broker_that_wants_a_password(machine: SystemdMachine) -> None:
    if reason := missing_commands("mosquitto", "mosquitto_passwd"):
        pytest.skip(reason)
    machine.write("/etc/broker.conf", BROKER)
    machine.run("mosquitto_passwd", "-c", "-b", "/etc/broker.passwords", "robot", PASSWORD)
    machine.run("systemd-run", "--unit=broker", "mosquitto", "-c", "/etc/broker.conf")
    change(machine, f"{RUN} --camera none --mic none --publish mqtt://robot@localhost", network=True)
    start(machine)
    until(lambda: "Received PUBLISH" in machine.run("journalctl", "-u", "broker", "-o", "cat"), "nothing published")
    machine.run("systemctl", "stop", UNIT, "broker")
    told = f"{log(machine)} {machine.run('systemctl', 'show', UNIT)}"
    assert PASSWORD not in told


def test_a_run_that_is_killed_or_stands_still_is_started_again(machine: SystemdMachine) -> None:
    change(machine, f"{RUN} --camera none --mic none", "WatchdogSec=2", "RestartSec=100ms")
    start(machine)
    for signal, said in (("KILL", "status=9/KILL"), ("STOP", "Watchdog timeout")):
        before = main_pid(machine)
        made = len(readings(machine))
        machine.run("kill", f"-{signal}", before)
        until(lambda: main_pid(machine) not in (before, "0"), f"not started again after {signal}")  # noqa: B023
        until(lambda: len(readings(machine)) > made + 2, f"no readings after {signal}")  # noqa: B023
        assert said in log(machine)
        assert not machine.path(f"/proc/{before}").exists()
    assert machine.show(UNIT, "NRestarts") == "2"


def test_it_is_never_given_up(machine: SystemdMachine) -> None:
    """Settings that cannot be used, say; systemd by itself ends a service that fails five times."""
    change(machine, "/bin/sh -c 'exit 2'", "RestartSec=10ms", "RestartMaxDelaySec=20ms")
    machine.run("systemctl", "start", UNIT, check=False)
    until(lambda: int(machine.show(UNIT, "NRestarts")) > 12, "given up")
    assert machine.show(UNIT, "ActiveState") == "activating"
