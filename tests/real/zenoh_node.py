"""Another node of a zenoh network, in a process of its own, that tells what it hears; it can hang and die."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType

from tests.real.loopback_port import LoopbackPort

_ROOT = Path(__file__).parent.parent.parent
_START_S = 20.0


class ZenohNode:
    """``with ZenohNode("m3er/**") as node:`` listens at ``node.url``, and nowhere else; kept is what it heard.

    Args:
        key: what it subscribes to.
        near: it answers to those who look for zenoh on this network, and only to them.
    """

    def __init__(self, key: str, near: bool = False) -> None:
        self._key, self._near = key, near
        self._heard: list[tuple[str, str]] = []
        self._change = threading.Condition()

    def __enter__(self) -> "ZenohNode":
        self._port = LoopbackPort()
        self.url = "zenoh://" if self._near else f"zenoh://127.0.0.1:{self._port.number}"
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self._port.close()

    def start(self) -> None:
        """Start it, or start it anew after ``kill``; returns when it listens."""
        command = [sys.executable, "-m", "tests.real.zenoh_node", self._key]
        command += [] if self._near else [f"tcp/127.0.0.1:{self._port.number}"]
        self._process = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "listens\n"
        self._collector = threading.Thread(target=self._collect, daemon=True)
        self._collector.start()

    def kill(self) -> None:
        """End it at once, also when it hangs."""
        self._process.kill()
        self._process.wait()
        self._collector.join()

    def hang(self) -> None:
        """From now on it reads nothing and says nothing."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def wait_for(self, count: int) -> list[tuple[str, str]]:
        """All keys and payloads that it heard, as soon as there are so many."""
        with self._change:
            if not self._change.wait_for(lambda: len(self._heard) >= count, _START_S):
                raise AssertionError(f"heard {len(self._heard)} times, and not {count} times")
            return list(self._heard)

    def _collect(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            key, payload = json.loads(line)
            with self._change:
                self._heard.append((key, payload))
                self._change.notify_all()


def _listen(key: str, endpoints: list[str]) -> None:
    import zenoh

    config = zenoh.Config()
    config.insert_json5("mode", '"peer"')
    if endpoints:
        config.insert_json5("listen/endpoints", json.dumps(endpoints))
        config.insert_json5("scouting/multicast/enabled", "false")
    session = zenoh.open(config)
    session.declare_subscriber(
        key, lambda sample: print(json.dumps([str(sample.key_expr), sample.payload.to_string()]), flush=True)
    )
    print("listens", flush=True)
    time.sleep(3600)  # or until it is killed


if __name__ == "__main__":
    _listen(sys.argv[1], sys.argv[2:])
