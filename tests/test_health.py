"""What systemd is told, through a real notification socket."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.health import ServiceManager


@pytest.fixture(params=["path", "abstract"])
def heard(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    name = str(tmp_path / "notify") if request.param == "path" else f"@m3er-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + name[1:] if name.startswith("@") else name)
        listener.settimeout(2.0)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield listener


def test_it_hears_ready_alive_status_and_stopping(heard: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "3000000")
    manager = ServiceManager()
    assert manager.watchdog_s == 3.0
    manager.ready()
    manager.alive()
    manager.status("camera\nnot found")
    manager.stopping()
    said = [heard.recv(1000) for _ in range(4)]
    assert said == [b"READY=1", b"WATCHDOG=1", b"STATUS=camera not found", b"STOPPING=1"]


def test_another_process_watchdog_is_not_fed(heard: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "3000000")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    manager = ServiceManager()
    manager.alive()
    manager.ready()
    assert heard.recv(1000) == b"READY=1"


def test_a_manager_that_does_not_listen_never_blocks_or_fails(heard: socket.socket) -> None:
    manager = ServiceManager()
    for _ in range(5000):  # far more than the socket's queue holds
        manager.status("all devices give samples")
    heard.close()
    manager.ready()


def test_without_a_service_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    manager = ServiceManager()
    manager.ready()
    manager.alive()
    assert manager.watchdog_s is None
