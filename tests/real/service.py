"""The unit as it is shipped, in a real systemd: started, changed, asked, and cleared away."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edge.publish.json_lines import read_readings
from edge.reading import Reading
from tests.real.systemd import ROOT, SystemdMachine
from tests.soak.scene import CLIP

UNIT = "m3er-edge.service"
FILES = ROOT / "firmware_configs" / "systemd"
PROGRAM = "/opt/m3er-edge/bin/m3er-edge"
STATE = "/var/lib/private/m3er-edge"
"""Where /var/lib/m3er-edge leads to, which is for the service alone."""
READINGS = "/var/lib/m3er-edge/readings.jsonl"
RUN = f"{PROGRAM} run --log json --publish jsonl:{READINGS}"
CAMERA = f"/opt/m3er-edge/source/{CLIP.relative_to(ROOT)}"


@contextmanager
def machine_with_service() -> Iterator[SystemdMachine]:
    """Booted, with the program and the unit; the service is not started."""
    with SystemdMachine() as machine:
        machine.install_program()
        machine.write(f"/etc/systemd/system/{UNIT}", (FILES / UNIT).read_text(encoding="utf-8"))
        yield machine


def clear(machine: SystemdMachine) -> None:
    """The service stopped, no drop-ins, and its state folder as before its first start: there is none."""
    machine.run("systemctl", "kill", "-s", "KILL", UNIT, check=False)
    machine.run("systemctl", "stop", UNIT, check=False)
    machine.run("sh", "-c", f"rm -rf /etc/systemd/system/{UNIT}.d /var/lib/m3er-edge {STATE}")
    machine.run("systemctl", "daemon-reload")


def change(machine: SystemdMachine, command: str = "", *lines: str, network: bool = False) -> None:
    """Drop-ins: another command under the same unit, and other lines; the network profile as it is shipped."""
    folder = f"/etc/systemd/system/{UNIT}.d"
    start = ["ExecStart=", f"ExecStart={command}"] if command else []
    machine.write(f"{folder}/test.conf", "\n".join(["[Service]", *start, *lines, ""]))
    for name in ("network.conf", "mqtt-password.conf") if network else ():
        machine.write(f"{folder}/{name}", (FILES / name).read_text(encoding="utf-8"))
    machine.run("systemctl", "daemon-reload")


def until(condition: Callable[[], bool], what: str, timeout_s: float = 30.0) -> None:
    """Wait for it. Raises AssertionError after the timeout."""
    until_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until_s, what
        time.sleep(0.1)


def readings(machine: SystemdMachine) -> list[Reading]:
    """What it has written so far."""
    path = machine.path(f"{STATE}/readings.jsonl")
    return read_readings(path) if path.exists() else []


def log(machine: SystemdMachine) -> str:
    """All that the journal has of it."""
    return machine.run("journalctl", "-u", UNIT, "--no-pager", "-o", "cat")


def start(machine: SystemdMachine) -> None:
    """Returns when it has said READY."""
    machine.run("systemctl", "start", UNIT, check=False)
    assert machine.show(UNIT, "ActiveState") == "active", log(machine)


def main_pid(machine: SystemdMachine) -> str:
    """Of the run; ``0`` where there is none."""
    return machine.show(UNIT, "MainPID")
