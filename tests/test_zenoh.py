"""Readings to zenoh: to a real node in another process, which comes, goes and hangs."""

import builtins
import http.server
import itertools
import threading
import time
from collections.abc import Callable

import pytest

from edge.errors import M3erError
from edge.publish.background import Background
from edge.publish.destination import open_destination
from edge.publish.zenoh import Zenoh
from edge.reading import Reading
from tests.real.loopback_port import LoopbackPort
from tests.real.zenoh_node import ZenohNode
from tests.test_publish import LABELS, scene

pytest.importorskip("zenoh", reason="eclipse-zenoh is not installed: `make test` installs it")
_READING = scene(1)[0]


def reading(number: int) -> Reading:
    """A reading that can be told by its sequence."""
    return _READING.model_copy(update={"sequence": number})


def refused(publish: Callable[[], object], *words: str, within_s: float = 6.0) -> None:
    """It raises an M3erError with these words in time."""
    began_s = time.monotonic()
    with pytest.raises(M3erError) as caught:
        publish()
    assert time.monotonic() - began_s < within_s
    assert all(word in str(caught.value) for word in words) and "\n" not in str(caught.value), caught.value


def test_each_reading_arrives_once_whole_and_in_order() -> None:
    with ZenohNode("m3er/robbie/reading") as node:
        publisher = Zenoh(node.url, "robbie")
        published = [reading(number) for number in range(200)]
        for one in published:
            publisher.publish(one)
        publisher.close()
        publisher.close()
        heard = node.wait_for(200)
    assert {key for key, _ in heard} == {"m3er/robbie/reading"}
    assert [Reading.model_validate_json(payload) for _, payload in heard] == published
    with pytest.raises(RuntimeError, match="closed"):
        publisher.publish(reading(200))


def test_a_prefix_is_that_of_its_key_and_the_command_line_knows_the_scheme() -> None:
    with ZenohNode("**") as node:
        publisher = open_destination(f"{node.url}/hall/robots", LABELS, 0.5)
        publisher.publish(reading(0))
        publisher.close()
        [(key, _)] = node.wait_for(1)
    assert key.startswith("hall/robots/") and key.endswith("/reading")


def test_those_near_by_are_found_without_a_name() -> None:
    with ZenohNode("m3er/near/reading", near=True) as node:
        publisher = Zenoh(node.url, "near")
        try:
            publisher.publish(reading(0))
        except M3erError as error:
            pytest.skip(f"no multicast on this machine: {error}")
        finally:
            publisher.close()
        assert len(node.wait_for(1)) == 1


def test_a_node_that_dies_and_comes_back_gets_what_waited() -> None:
    with ZenohNode("m3er/robbie/reading") as node:
        background = Background(Zenoh(node.url, "robbie"), "zenoh", most=100)
        for number in range(20):
            if number == 10:
                node.wait_for(10)
                node.kill()
                time.sleep(0.2)  # its end is known at once, and yet not in no time
            background.publish(reading(number))
        assert background.waiting == 10
        node.start()
        heard = node.wait_for(20)
        background.close()
    numbers = [Reading.model_validate_json(payload).sequence for _, payload in heard]
    assert numbers == list(range(20)) and background.dropped == 0


def test_a_node_that_hangs_slows_no_step() -> None:
    with ZenohNode("m3er/robbie/reading") as node:
        background = Background(Zenoh(node.url, "robbie"), "zenoh", most=10)
        background.publish(reading(0))
        node.wait_for(1)
        node.hang()
        large = _READING.model_copy(update={"transcript": "word " * 400_000})  # fills what lies between us
        stamps_s = []
        for _ in range(60):
            background.publish(large)
            stamps_s.append(time.monotonic())
            time.sleep(0.01)
        assert max(b - a for a, b in itertools.pairwise(stamps_s)) < 0.5  # Python's lock is never held
        began_s = time.monotonic()
        background.close(0.5)
        assert time.monotonic() - began_s < 1.0


def test_nobody_listens_there() -> None:
    port = LoopbackPort()
    refused(lambda: Zenoh(f"zenoh://127.0.0.1:{port.number}").publish(reading(0)), "refused", "start zenohd")
    port.close()


def test_a_host_that_does_not_exist() -> None:
    refused(lambda: Zenoh("zenoh://no-such-host.invalid").publish(reading(0)), "unknown host", within_s=20)


def test_something_else_is_no_zenoh() -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        refused(lambda: Zenoh(f"zenoh://127.0.0.1:{other.server_port}").publish(reading(0)), "not answer in zenoh")
        other.shutdown()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("zenoh:robot", "zenoh://HOST"),
        ("zenoh://:7447", "zenoh://HOST"),
        ("zenoh://robot:0x50", "zenoh://HOST"),
        ("zenoh://robot:99999", "zenoh://HOST"),
        ("zenoh://[::1", "zenoh://HOST"),
        ("zenoh://robot?a=b", "zenoh://HOST"),
        ("zenoh://robot/a b", "no beginning of a key"),
        ("zenoh://robot/a//b", "no beginning of a key"),
        ("zenoh://robot/**", "no beginning of a key"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_before_the_run(url: str, words: str) -> None:
    refused(lambda: Zenoh(url), words)


def test_a_password_in_the_url_is_not_repeated() -> None:
    with pytest.raises(M3erError) as caught:
        Zenoh("zenoh://me:secret@robot")
    assert "secret" not in str(caught.value)


def test_without_its_package_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def without_zenoh(name: str, *args: object) -> object:
        if name == "zenoh":
            raise ImportError(name)
        return real_import(name, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without_zenoh)
    refused(lambda: Zenoh("zenoh://robot"), "pip install eclipse-zenoh")
