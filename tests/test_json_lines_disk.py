"""A readings file on disks that fill up, vanish and come back, and under a run that is killed."""

import os
import random
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.errors import M3erError
from edge.publish.background import Background
from edge.publish.json_lines import JsonLines, read_readings
from tests.test_publish import scene

RUN = [reading.model_copy(update={"t": float(number)}) for number, reading in enumerate(scene(70) * 3)]


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"needs to mount a small disk: {done.stderr.strip()}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    _mount("-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder))
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _fill(disk: Path) -> Path:
    """A file that takes all the space there is."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while file.write(bytes(512)):
            pass
    return ballast


def _until(holds: Callable[[], bool], what: str) -> None:
    end_s = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end_s, f"never happened: {what}"
        time.sleep(0.005)


def test_a_disk_that_fills_up_and_empties_loses_no_reading_and_tears_no_line(small_disk: Path) -> None:
    path, outages = small_disk / "readings.jsonl", 0
    publisher = JsonLines(path)
    for number, reading in enumerate(RUN[:40]):
        if number % 10 == 7:
            ballast = _fill(small_disk)
        try:
            publisher.publish(reading)
        except M3erError as error:
            outages += 1
            assert "No space left" in str(error) and str(path) in str(error)
            assert read_readings(path) == RUN[:number] and path.read_bytes()[-1:] in (b"\n", b"")
            with pytest.raises(M3erError):
                publisher.publish(reading)
            ballast.unlink()
            publisher.publish(reading)
        assert read_readings(path) == RUN[: number + 1]
    publisher.close()
    assert outages >= 3


def test_a_live_run_outlasts_a_full_disk(small_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = small_disk / "readings.jsonl"
    publisher = Background(JsonLines(path), "the readings file")
    for reading in RUN[:10]:
        publisher.publish(reading)
    _until(lambda: not publisher.waiting, "the first ten written")
    ballast = _fill(small_disk)
    for reading in RUN[10:40]:
        publisher.publish(reading)
    _until(lambda: "No space left" in caplog.text, "the outage logged")
    time.sleep(0.6)  # a second try, which is not told
    ballast.unlink()
    _until(lambda: not publisher.waiting, "all written")
    publisher.close()
    assert read_readings(path) == RUN[:40] and publisher.dropped == 0
    began, ended = (record.getMessage() for record in caplog.records)
    assert "free space" in began and "trying again" in began
    assert "works again after" in ended and "; readings dropped: 0" in ended


def test_a_largest_file_size_is_told_and_tears_no_line(tmp_path: Path) -> None:
    path, limits = tmp_path / "readings.jsonl", resource.getrlimit(resource.RLIMIT_FSIZE)
    publisher = JsonLines(path)
    publisher.publish(RUN[0])
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100, limits[1]))
    try:
        with pytest.raises(M3erError, match="File too large"):
            publisher.publish(RUN[1])
        assert read_readings(path) == RUN[:1] and path.read_bytes().endswith(b"\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    publisher.publish(RUN[1])
    publisher.close()
    assert read_readings(path) == RUN[:2]


def test_a_disk_that_turned_read_only_is_told(small_disk: Path) -> None:
    publisher = JsonLines(small_disk / "readings.jsonl")
    _mount("-o", "remount,ro", str(small_disk))
    with pytest.raises(M3erError, match="Read-only file system"):
        publisher.publish(RUN[0])
    _mount("-o", "remount,rw", str(small_disk))
    publisher.publish(RUN[0])
    publisher.close()
    assert read_readings(small_disk / "readings.jsonl") == RUN[:1]


def test_an_input_output_error_is_told() -> None:
    publisher = JsonLines(Path("/proc/self/mem"))  # nothing is mapped at 0: the kernel's own EIO
    with pytest.raises(M3erError, match="Input/output error"):
        publisher.publish(RUN[0])


def _move(path: Path) -> None:
    path.rename(path.with_suffix(".1"))


def _delete_folder(path: Path) -> None:
    shutil.rmtree(path.parent)


def _replace(path: Path) -> None:
    """As if the disk had come back after a power cut, with the last line torn."""
    other = path.with_suffix(".2")
    other.write_bytes(path.read_bytes() + RUN[5].to_json().encode()[:200])
    other.replace(path)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize(
    ("meddle", "kept"), [(_move, 0), (Path.unlink, 0), (_delete_folder, 0), (_replace, 2), (_empty, 0)]
)
def test_a_file_that_somebody_took_away_is_made_anew(tmp_path: Path, meddle: Callable[[Path], None], kept: int) -> None:
    path = tmp_path / "folder" / "readings.jsonl"
    publisher = JsonLines(path)
    for reading in RUN[:2]:
        publisher.publish(reading)
    meddle(path)
    for reading in RUN[2:4]:
        publisher.publish(reading)
    publisher.close()
    assert read_readings(path) == RUN[2 - kept : 4]
    assert path.read_bytes().count(b"\0") == 0
    if meddle is _move:
        assert read_readings(path.with_suffix(".1")) == RUN[:2]


def test_a_folder_that_cannot_be_made_again_is_told_until_it_can(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "readings.jsonl"
    publisher = JsonLines(path)
    publisher.publish(RUN[0])
    shutil.rmtree(path.parent)
    path.parent.touch()
    with pytest.raises(M3erError, match="cannot write readings"):
        publisher.publish(RUN[1])
    path.parent.unlink()
    publisher.publish(RUN[1])
    publisher.close()
    assert read_readings(path) == RUN[1:2]


def test_a_pipe_whose_reader_goes_away_gets_whole_lines_from_the_next(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    publisher = JsonLines(path)
    read: list[bytes] = []

    def read_some() -> None:
        with path.open("rb", buffering=0) as pipe:
            read.append(pipe.read(50))

    for reading in RUN[:2]:
        reader = threading.Thread(target=read_some)
        reader.start()
        publisher.publish(reading)
        reader.join()
        with pytest.raises(M3erError, match="Broken pipe"):
            publisher.publish(reading)
    publisher.close()
    assert read == [reading.to_json().encode()[:50] for reading in RUN[:2]]


WRITE_AND_DIE = """
import os, random, signal, sys, time
from pathlib import Path
from edge.publish.json_lines import JsonLines
from edge.reading import Reading
reading = Reading.model_validate_json(sys.stdin.read())
chance = random.Random(int(sys.argv[2]))
for number in range(60):
    child = os.fork()
    if not child:
        publisher, t = JsonLines(Path(sys.argv[1]) / f"{number}.jsonl"), 0
        while True:
            publisher.publish(reading.model_copy(update={"t": float(t)}))
            t += 1
    time.sleep(chance.uniform(0.002, 0.02))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""


def test_a_killed_run_leaves_all_its_readings(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    command = [sys.executable, "-c", WRITE_AND_DIE, str(tmp_path), str(random.randrange(10**6))]
    subprocess.run(command, input=RUN[0].to_json(), text=True, check=True, cwd=Path(__file__).parent.parent)
    longest = 0
    for path in tmp_path.glob("*.jsonl"):
        caplog.clear()
        readings, lines = read_readings(path), path.read_bytes().split(b"\n")
        assert [reading.t for reading in readings] == [float(number) for number in range(len(lines) - 1)]
        # The kernel may stop a write at a page's border when it kills the writer: seen in about one kill in 15.
        assert bool(lines[-1]) == ("breaks off" in caplog.text)
        longest = max(longest, len(readings))
    assert longest > 20


def test_only_a_last_line_that_breaks_off_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, line = tmp_path / "readings.jsonl", RUN[0].to_json().encode()
    for cut in (1, 2, 40, len(line) - 1):
        path.write_bytes(line + b"\n" + line[:cut])
        assert read_readings(path) == RUN[:1]
        assert "readings.jsonl, line 2: breaks off" in caplog.messages[-1]
    path.write_bytes(line + b"\n" + line)
    assert read_readings(path) == [RUN[0], RUN[0]]
    for bad in (b"x", b'{"schema": 1}', b"{}"):
        path.write_bytes(line + b"\n" + bad)
        with pytest.raises(M3erError, match="line 2: not a reading"):
            read_readings(path)
