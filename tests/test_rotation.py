"""Readings in files that rotate: each in exactly one of them, in order, over restarts, full disks and kills."""

import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.errors import M3erError
from edge.publish.json_lines import read_readings
from edge.publish.rotation import RotatingJsonLines
from tests.test_publish import scene

READING = scene(1)[0]
RUN = [READING.model_copy(update={"t": float(number)}) for number in range(400)]
LINE_BYTES = len(RUN[-1].to_json()) + 1
TEN_LINES_MB = 10 * LINE_BYTES / 1e6


def files(path: Path) -> list[Path]:
    """From the oldest to the newest."""
    full = sorted(path.parent.glob(f"{path.name}.*"), key=lambda file: -int(file.suffix[1:]))
    return [*full, *([path] if path.exists() else [])]


def kept(path: Path) -> list[int]:
    """The numbers of all readings there are, in the order of the files."""
    return [int(reading.t) for file in files(path) for reading in read_readings(file)]


def test_a_restarted_program_goes_on_where_it_ended(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "readings.jsonl"
    for first in (0, 3, 6):
        publisher = RotatingJsonLines(path)
        for reading in RUN[first : first + 3]:
            publisher.publish(reading)
        publisher.close()
        with path.open("ab") as file:  # power was cut
            file.write(RUN[0].to_json().encode()[:100])
    assert kept(path) == list(range(9))


@pytest.mark.parametrize("keep", [1, 2, 4])
def test_full_files_make_room_and_the_oldest_goes(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "readings.jsonl"
    publisher = RotatingJsonLines(path, TEN_LINES_MB, keep)
    for number, reading in enumerate(RUN[:95]):
        publisher.publish(reading)
        assert kept(path)[-1] == number
        assert sum(file.stat().st_size for file in files(path)) <= (keep + 1) * TEN_LINES_MB * 1e6
    publisher.close()
    there = kept(path)
    assert there == list(range(there[0], 95)) and 10 * keep <= len(there) <= 11 * (keep + 1)
    assert [file.name for file in files(path)] == [
        *(f"readings.jsonl.{number}" for number in range(keep, 0, -1)),
        "readings.jsonl",
    ]
    assert all(file.stat().st_size <= TEN_LINES_MB * 1e6 for file in files(path))


def test_a_reading_that_is_too_large_has_a_file_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "readings.jsonl"
    publisher = RotatingJsonLines(path, most_mb=0.0001, keep=2)
    for reading in RUN[:4]:
        publisher.publish(reading)
    publisher.close()
    assert [len(read_readings(file)) for file in files(path)] == [1, 1, 1] and kept(path) == [1, 2, 3]


def test_the_disk_is_waited_for_when_a_file_is_full_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[int] = []
    sync = os.fsync

    def noted(fd: int) -> None:
        waited.append(os.fstat(fd).st_size)
        sync(fd)

    monkeypatch.setattr("os.fsync", noted)
    publisher = RotatingJsonLines(tmp_path / "readings.jsonl", TEN_LINES_MB)
    for reading in RUN[390:]:
        publisher.publish(reading)
    assert not waited
    publisher.publish(RUN[0])
    assert waited == [10 * LINE_BYTES]
    publisher.close()
    assert len(waited) == 2


def test_a_file_that_cannot_be_renamed_takes_no_reading_until_it_can(tmp_path: Path) -> None:
    path = tmp_path / "readings.jsonl"
    publisher = RotatingJsonLines(path, TEN_LINES_MB, keep=1)
    for reading in RUN[:10]:
        publisher.publish(reading)
    in_the_way = tmp_path / "readings.jsonl.1"
    in_the_way.mkdir()
    while len(read_readings(path)) < 12:
        try:
            publisher.publish(RUN[len(read_readings(path))])
        except M3erError as error:
            assert f"cannot rename the readings in {path}" in str(error)
            break
    before = kept_lines(path)
    with pytest.raises(M3erError, match="Is a directory"):
        publisher.publish(RUN[before])
    assert kept_lines(path) == before
    in_the_way.rmdir()
    for reading in RUN[before:15]:
        publisher.publish(reading)
    publisher.close()
    assert kept(path) == list(range(15))


def kept_lines(path: Path) -> int:
    return len(read_readings(path))


def test_a_link_stays_a_link_and_a_pipe_is_only_written_to(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    link = tmp_path / "readings.jsonl"
    link.symlink_to("far/real.jsonl")
    publisher = RotatingJsonLines(link, TEN_LINES_MB)
    for reading in RUN[:25]:
        publisher.publish(reading)
    publisher.close()
    assert link.is_symlink() and kept(tmp_path / "far" / "real.jsonl") == list(range(25))
    assert len(files(tmp_path / "far" / "real.jsonl")) == 3

    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    publisher = RotatingJsonLines(pipe, most_mb=0.0001)
    for reading in RUN[:3]:
        publisher.publish(reading)
    publisher.close()
    reader.join()
    assert read[0].count(b"\n") == 3 and not list(tmp_path.glob("pipe.*"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_fills_up_at_any_moment_loses_and_doubles_nothing(small_disk: Path) -> None:
    path, outages = small_disk / "readings.jsonl", 0
    publisher = RotatingJsonLines(path, 0.008, keep=3)
    for number, reading in enumerate(RUN[:120]):
        ballast = small_disk / "ballast"
        if number % 3 == 1:
            with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
                while file.write(bytes(512)):
                    pass
        try:
            publisher.publish(reading)
        except M3erError as error:
            outages += 1
            assert "No space left" in str(error)
            assert kept(path)[-1:] == [number - 1][:number]
            ballast.unlink()
            publisher.publish(reading)
        ballast.unlink(missing_ok=True)
        there = kept(path)
        assert there == list(range(there[0], number + 1))
    publisher.close()
    assert outages >= 5 and len(files(path)) == 4


DIE_AT_RENAME = """
import os, signal, sys
from pathlib import Path
from edge.publish.rotation import RotatingJsonLines
from edge.reading import Reading
path, most_mb, keep, first, die_at, after = Path(sys.argv[1]), float(sys.argv[2]), *map(int, sys.argv[3:])
reading = Reading.model_validate_json(sys.stdin.read())
renamed, replace = 0, Path.replace
def dying(self, target):
    global renamed
    renamed += 1
    if after:
        replace(self, target)
    if renamed == die_at:
        os.kill(os.getpid(), signal.SIGKILL)
    return self if after else replace(self, target)
Path.replace = dying
publisher = RotatingJsonLines(path, most_mb, keep)
for t in range(first, first + 200):
    publisher.publish(reading.model_copy(update={"t": float(t)}))
"""


@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("die_at", [1, 2, 3])
def test_a_kill_at_any_rename_leaves_each_reading_in_one_file(tmp_path: Path, die_at: int, after: int) -> None:
    path, keep = tmp_path / "readings.jsonl", 3
    publisher = RotatingJsonLines(path, TEN_LINES_MB, keep)
    while len(files(path)) < keep + 1 or kept_lines(path) < 9:  # a row that is full: three renames come next
        publisher.publish(RUN[next_number(path)])
    publisher.close()
    command = [sys.executable, "-c", DIE_AT_RENAME, str(path), str(TEN_LINES_MB), str(keep), str(next_number(path))]
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [*command, str(die_at), str(after)], input=READING.to_json(), text=True, cwd=root, check=False
    )
    assert done.returncode < 0
    there = kept(path)
    assert there == list(range(there[0], there[-1] + 1)) and len(there) >= 25
    oldest = there[0]
    publisher = RotatingJsonLines(path, TEN_LINES_MB, keep)
    while len(files(path)) < keep + 1:  # a place that was left free is filled before the oldest goes
        publisher.publish(RUN[next_number(path)])
    there = kept(path)
    assert there == list(range(oldest, there[-1] + 1))
    for reading in RUN[there[-1] + 1 : there[-1] + 31]:
        publisher.publish(reading)
    publisher.close()
    last = there[-1] + 30
    there = kept(path)
    assert there == list(range(there[0], last + 1)) and len(files(path)) == keep + 1


def next_number(path: Path) -> int:
    return max(kept(path), default=-1) + 1


WRITE_AND_DIE = """
import os, random, signal, sys, time
from pathlib import Path
from edge.publish.json_lines import read_readings
from edge.publish.rotation import RotatingJsonLines
from edge.reading import Reading
reading = Reading.model_validate_json(sys.stdin.read())
path, most_mb, chance = Path(sys.argv[1]), float(sys.argv[2]), random.Random(int(sys.argv[3]))
for _ in range(40):
    child = os.fork()
    if not child:
        files = [path, path.with_name(path.name + ".1"), path.with_name(path.name + ".2")]
        t = max((r.t for file in files if file.exists() for r in read_readings(file)), default=-1.0) + 1
        publisher = RotatingJsonLines(path, most_mb, 1000)
        while True:
            publisher.publish(reading.model_copy(update={"t": t}))
            t += 1
    time.sleep(chance.uniform(0.002, 0.03))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""


def test_killed_again_and_again_it_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "readings.jsonl"
    command = [sys.executable, "-c", WRITE_AND_DIE, str(path), str(2 * LINE_BYTES / 1e6), str(random.randrange(10**6))]
    subprocess.run(command, input=READING.to_json(), text=True, check=True, cwd=Path(__file__).parent.parent)
    there = kept(path)
    assert there == list(range(len(there))) and len(there) > 20
