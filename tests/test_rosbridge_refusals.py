"""Where no rosbridge is, or none that can be trusted, the message says what is wrong and what to do."""

import http.server
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from edge.errors import M3erError
from edge.publish.rosbridge import Rosbridge
from tests.made_rosbridge import WHOLE, publisher_of, reading, refused
from tests.real.child import missing_commands
from tests.real.rosbridge import Character, RosbridgeServer
from tests.test_publish import LABELS


def test_nobody_listens_there() -> None:
    with RosbridgeServer() as server:
        server.kill()
        refused(lambda: publisher_of(server).publish(reading()), "refused", "ros2 launch rosbridge_server")


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "x" * 70])
def test_a_host_that_does_not_exist(host: str) -> None:
    refused(lambda: Rosbridge(f"rosbridge://{host}", LABELS).publish(reading()), "unknown host", within_s=20)


@pytest.mark.parametrize("scheme", ["rosbridge", "rosbridges"])
def test_a_web_server_is_no_rosbridge(scheme: str) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        url = f"{scheme}://127.0.0.1:{other.server_port}"
        refused(lambda: Rosbridge(url, LABELS).publish(reading()), "not a rosbridge", "port")
        other.shutdown()


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9.2\r\n", b"", b"\x00" * 5000])
def test_something_else_is_no_rosbridge(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def serve() -> None:
            with other.accept()[0] as one:
                one.recv(1000)
                one.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        url = f"rosbridge://127.0.0.1:{other.getsockname()[1]}"
        refused(lambda: Rosbridge(url, LABELS).publish(reading()), "not a rosbridge", "port")


def test_a_host_that_accepts_and_says_nothing_is_an_error_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        url = f"rosbridge://127.0.0.1:{other.getsockname()[1]}"
        refused(lambda: Rosbridge(url, LABELS).publish(reading()), "did not answer within 2 s")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("rosbridge://", "not a rosbridge"),
        ("rosbridge:///m3er", "not a rosbridge"),
        ("ws://robot", "not a rosbridge"),
        ("rosbridge://robot?a=b", "not a rosbridge"),
        ("rosbridge://robot:0x50", "rosbridge://HOST"),
        ("rosbridge://robot:99999", "rosbridge://HOST"),
        ("rosbridge://[::1", "rosbridge://HOST"),
        ("rosbridge://robot/9lives", "no name of a ROS 2 topic"),
        ("rosbridge://robot/a//b", "no name of a ROS 2 topic"),
        ("rosbridge://robot/a__b", "no name of a ROS 2 topic"),
        ("rosbridge://robot/a b", "no name of a ROS 2 topic"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_before_the_run(url: str, words: str) -> None:
    refused(lambda: Rosbridge(url, LABELS), words)


def test_a_password_in_the_url_is_not_repeated() -> None:
    with pytest.raises(M3erError) as caught:
        Rosbridge("rosbridge://me:secret@robot", LABELS)
    assert "secret" not in str(caught.value)


@pytest.mark.skipif(bool(missing_commands("openssl")), reason=missing_commands("openssl"))
def test_tls_is_spoken_with_those_whose_certificate_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pem, key = tmp_path / "server.pem", tmp_path / "key.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=robot -addext subjectAltName=IP:127.0.0.1"
    done = subprocess.run(
        [*command.split(), "-keyout", str(key), "-out", str(pem)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    pem.write_text(key.read_text() + pem.read_text())
    with RosbridgeServer(Character(certificate=pem)) as server:
        publisher = publisher_of(server)
        refused(lambda: publisher.publish(reading(0)), "certificate is not trusted", "SSL_CERT_FILE")
        plain = Rosbridge(server.url.replace("rosbridges", "rosbridge"), LABELS)
        refused(lambda: plain.publish(reading(0)), "not a rosbridge")
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
        for number in range(3):
            publisher.publish(reading(number))
        server.wait_for(3, "publish", WHOLE)
        server.hang()
        refused(lambda: publisher.publish(reading(3, transcript="word " * 4_000_000)), "broke off", within_s=4.0)
        began_s = time.monotonic()
        publisher.close()
        assert time.monotonic() - began_s < 1.0
