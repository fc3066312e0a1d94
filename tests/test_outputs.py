"""Where readings go, by what is typed: good places open, wrong ones are one line, none keeps readings from others."""

import json
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import M3erError
from edge.publish.destination import PAGE_ADDRESS, PAGE_PORT, SCHEMES, open_destination, page_address
from edge.publish.json_lines import read_readings
from edge.publish.rotation import RotatingJsonLines
from tests.soak.live_run import LiveRun
from tests.soak.scene import CLIP

LABELS = ("happy", "sad")


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_a_file_is_gone_on_with(tmp_path: Path) -> None:
    place = open_destination(f"jsonl:{tmp_path}/r.jsonl", LABELS, 0.5)
    assert isinstance(place, RotatingJsonLines)
    place.close()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mqt://host", "did you mean mqtt:?"),
        ("readings.jsonl", "known are jsonl, mqtt"),
        ("jsonl:", "known are jsonl"),
        ("", "known are jsonl"),
        ("ws://0.0.0.0:8799", "token"),
        ("ws://127.0.0.1:what", "no address for the page"),
        ("mqtt://user:secret@host", "M3ER_MQTT_PASSWORD"),
    ],
)
def test_a_wrong_place_is_told_and_no_secret_with_it(url: str, said: str) -> None:
    with pytest.raises(M3erError) as refused:
        open_destination(url, LABELS, 0.5)
    assert said in str(refused.value)
    assert "secret" not in str(refused.value)


@given(st.text(max_size=30))
def test_whatever_is_typed_is_a_place_or_an_error_that_can_be_read(text: str) -> None:
    scheme = text.partition(":")[0]
    if scheme in SCHEMES:
        return
    with pytest.raises(M3erError, match="known are"):
        open_destination(text, LABELS, 0.5)


def test_what_is_left_out_of_the_page_s_address_is_ours() -> None:
    assert page_address("") == (PAGE_ADDRESS, PAGE_PORT)
    assert page_address(":90") == page_address("90") == (PAGE_ADDRESS, 90)
    assert page_address("192.168.0.7") == ("192.168.0.7", PAGE_PORT)
    assert page_address("[::1]:90") == ("::1", 90)


def test_a_live_run_serves_its_page_and_writes_its_files_while_brokers_are_down(tmp_path: Path) -> None:
    port, closed = free_port(), free_port()
    away = ("--publish", f"mqtt://127.0.0.1:{closed}", "--publish", f"rosbridge://127.0.0.1:{closed}")
    file = tmp_path / "more.jsonl"
    options = ("--camera", str(CLIP), "--mic", "none", "--page", f"127.0.0.1:{port}", "--publish", f"jsonl:{file}")
    with LiveRun(tmp_path, *options, *away) as run:
        run.wait_for_readings(6, 20)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
            assert b"m3er" in answer.read()
    assert run.status == 0 and run.ended_s is not None and run.ended_s < 2.0
    readings = run.readings()
    assert [r.sequence for r in readings] == list(range(len(readings)))
    assert read_readings(file) == readings
    assert "mqtt: " in run.log and "rosbridge: " in run.log and "Traceback" not in run.log
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5)


def test_a_clip_is_watched_on_the_page_with_its_picture(tmp_path: Path) -> None:
    from websockets.sync.client import connect

    port = free_port()
    command = [sys.executable, "-m", "edge.cli", "run", "--input", str(CLIP), "--realtime", "--stt-model", "none"]
    with subprocess.Popen([*command, "--page", f":{port}", "--page-video"], stdout=subprocess.DEVNULL) as run:
        try:
            until_s = time.monotonic() + 20
            while True:
                try:
                    watcher = connect(f"ws://127.0.0.1:{port}/readings", origin=None)
                    break
                except OSError:
                    assert time.monotonic() < until_s
                    time.sleep(0.1)
            with watcher:
                kinds = [json.loads(watcher.recv(timeout=10))["kind"] for _ in range(4)]
            assert kinds[:2] == ["config", "history"] and set(kinds[2:]) == {"reading"}
        finally:
            run.kill()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--page-video",), "give --page as well"),
        (("--page", "0.0.0.0:8799"), "--page-token"),
        (("--publish", "kafka://host"), "known are"),
    ],
)
def test_wrong_use_is_one_line(options: tuple[str, ...], said: str) -> None:
    command = [sys.executable, "-m", "edge.cli", "run", "--camera", "none", "--mic", "none", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and said in done.stderr and len(done.stderr.splitlines()) == 1
