"""A real MQTT broker on 127.0.0.1: Mosquitto with passwords and, if wanted, TLS; it can hang, die and come back."""

import getpass
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Literal

from tests.real.child import kill_child, missing_commands, start_child
from tests.real.loopback_port import LoopbackPort

USER, PASSWORD = "robot", "corr3ct-h0rse"
READER, READER_PASSWORD = "reader", "batt3ry-stapl3"
_START_S = 10.0

Certificate = Literal["good", "expired", "other name"]


def missing() -> str:
    """Why there can be no Mosquitto here; empty if there can be."""
    return missing_commands("mosquitto", "mosquitto_passwd", "openssl", "setpriv")


class Mosquitto:
    """A broker that lets in USER and READER; ``with`` starts and ends its process, which dies with the test.

    What it must keep (retained messages, the sessions of those who want theirs kept) it writes to disk in ``save`` and
    when it is ended, and reads when it starts.

    Args:
        certificate: of its TLS, signed by ``authority``; None: it speaks without TLS.
        rights: lines of Mosquitto's list of rights (ACL); empty: everybody may do everything.
    """

    def __init__(self, certificate: Certificate | None = None, rights: str = "") -> None:
        self._certificate, self._rights = certificate, rights
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Mosquitto":
        self._temporary = tempfile.TemporaryDirectory(prefix="mosquitto-", ignore_cleanup_errors=True)
        self._folder = Path(self._temporary.name)
        self._port = LoopbackPort()
        self.port = self._port.number
        self.authority = self._folder / "authority.crt"
        try:
            self._write_files()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.kill()
        self._port.close()
        self._temporary.cleanup()

    @property
    def log(self) -> str:
        """What it said so far."""
        return (self._folder / "log").read_text(errors="replace")

    def start(self) -> None:
        """Start it, for the first time or again, at the same port; returns when it listens."""
        self._process = start_child(["mosquitto", "-c", self._folder / "conf"], self._folder / "log")
        until_s = time.monotonic() + _START_S
        while not self._listens():
            if time.monotonic() > until_s or self._process.poll() is not None:
                raise RuntimeError(f"Mosquitto did not start: {self.log[-1_000:]}")
            time.sleep(0.01)

    def stop(self) -> None:
        """It hangs (SIGSTOP): connections stay open, and the kernel accepts new ones; nothing is answered."""
        self._running.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """After ``stop``."""
        self._running.send_signal(signal.SIGCONT)

    def save(self) -> None:
        """Write what it must keep to disk; returns when that is done."""
        file = self._folder / "mosquitto.db"
        file.unlink(missing_ok=True)
        self._running.send_signal(signal.SIGUSR1)
        until_s = time.monotonic() + _START_S
        while not file.exists():  # written beside it, and then renamed
            if time.monotonic() > until_s:
                raise RuntimeError(f"Mosquitto saves nothing: {self.log[-1_000:]}")
            time.sleep(0.01)

    def end(self) -> None:
        """It ends in good order (SIGTERM)."""
        self._running.terminate()
        self._running.wait(_START_S)

    def kill(self) -> None:
        """It dies at once (SIGKILL)."""
        if self._process is not None:
            kill_child(self._process)
            self._process = None

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the broker does not run")
        return self._process

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _write_files(self) -> None:
        passwords = self._folder / "passwords"
        passwords.write_text(f"{USER}:{PASSWORD}\n{READER}:{READER_PASSWORD}\n")
        passwords.chmod(0o600)
        subprocess.run(["mosquitto_passwd", "-U", passwords], check=True)
        lines = [
            f"listener {self.port} 127.0.0.1",
            f"user {getpass.getuser()}",  # as root it would become another one, who may not read these files
            "allow_anonymous false",
            f"password_file {passwords}",
            "persistence true",
            f"persistence_location {self._folder}/",
            "autosave_interval 0",
            "queue_qos0_messages true",  # kept, too, for a subscriber that is away and wants its session kept
            "log_type all",
        ]
        if self._certificate is not None:
            self._make_certificates()
            lines += [f"certfile {self._folder}/server.crt", f"keyfile {self._folder}/server.key"]
        if self._rights:
            rights = self._folder / "rights"
            rights.write_text(self._rights)
            rights.chmod(0o600)
            lines += [f"acl_file {rights}"]
        (self._folder / "conf").write_text("\n".join([*lines, ""]))

    def _make_certificates(self) -> None:
        name = "elsewhere.example" if self._certificate == "other name" else "localhost"
        (self._folder / "names").write_text(f"subjectAltName=DNS:{name}\n")
        days = "-1" if self._certificate == "expired" else "2"
        new = "req -subj /CN=test -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
        self._openssl(f"{new} -x509 -days 2 -keyout authority.key -out authority.crt")
        self._openssl(f"{new} -keyout server.key -out server.csr")
        signed = "-CA authority.crt -CAkey authority.key -CAcreateserial -extfile names"
        self._openssl(f"x509 -req {signed} -days {days} -in server.csr -out server.crt")

    def _openssl(self, command: str) -> None:
        subprocess.run(["openssl", *command.split()], cwd=self._folder, check=True, capture_output=True)
