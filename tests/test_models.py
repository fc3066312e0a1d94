"""Public models are fetched whole or not at all, through a real server."""

import io
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from edge.errors import M3erError
from edge.models.fetch import fetch, part_file
from edge.models.public import PublicModel
from tests.made_model_server import ModelServer, bare_machine, serving

ROOT = Path(__file__).parents[1]


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with serving() as served:
        yield served


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return bare_machine(tmp_path, monkeypatch)


def get(model: PublicModel, folder: Path, tries: int = 2) -> Path:
    return fetch(model, folder, timeout_s=0.3, pauses_s=(0.01,) * (tries - 1))


def left(folder: Path) -> set[str]:
    """What a person sees there: all but the locks."""
    return {path.name for path in folder.iterdir() if path.suffix != ".lock"}


def zip_of(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
    return packed.getvalue()


def in_a_process(model: PublicModel, folder: Path) -> "subprocess.Popen[str]":
    code = (
        "import json, sys; from pathlib import Path; from edge.models.fetch import fetch\n"
        "from edge.models.public import PublicModel\n"
        "print(fetch(PublicModel(**json.loads(sys.argv[1])), Path(sys.argv[2])))"
    )
    command = [sys.executable, "-c", code, json.dumps(asdict(model)), str(folder)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until, "waited 20 s in vain"
        time.sleep(0.02)


def test_a_file_is_fetched_once(server: ModelServer, folder: Path) -> None:
    seen: list[int] = []
    path = fetch(server.model(), folder, seen.append)
    assert path == folder / "net" and path.read_bytes() == server.content
    assert seen == sorted(seen) and seen[-1] == len(server.content)
    assert fetch(server.model(), folder) == path
    assert server.asked == [None] and left(folder) == {"net"}


def test_a_file_that_was_altered_is_fetched_again(server: ModelServer, folder: Path) -> None:
    path = get(server.model(), folder)
    path.write_bytes(bytes(len(server.content)))
    assert get(server.model(), folder).read_bytes() == server.content


def test_what_broke_off_is_continued(server: ModelServer, folder: Path) -> None:
    server.cuts = [100_000, 50_000]
    assert get(server.model(), folder, tries=3).read_bytes() == server.content
    assert server.asked == [None, "bytes=100000-", "bytes=150000-"] and server.served == len(server.content)


def test_what_broke_off_for_good_is_continued_by_the_next_call(server: ModelServer, folder: Path) -> None:
    server.cuts = [100_000]
    with pytest.raises(M3erError, match="broke off after 100000 of 262144 bytes"):
        get(server.model(), folder, tries=1)
    assert left(folder) == {"net.part"}
    get(server.model(), folder, tries=1)
    assert server.served == len(server.content)


def test_a_server_that_ignores_ranges_starts_over(server: ModelServer, folder: Path) -> None:
    server.cuts, server.takes_range = [100_000], False
    assert get(server.model(), folder).read_bytes() == server.content
    assert server.served == 100_000 + len(server.content)


def test_a_beginning_that_is_too_long_starts_over(server: ModelServer, folder: Path) -> None:
    folder.mkdir(parents=True)
    part_file(server.model(), folder).write_bytes(bytes(len(server.content) + 1))
    assert get(server.model(), folder).read_bytes() == server.content
    assert server.asked == [None]


def test_a_file_that_was_copied_here_by_hand_needs_no_network(server: ModelServer, folder: Path) -> None:
    folder.mkdir(parents=True)
    part_file(server.model(), folder).write_bytes(server.content)
    assert get(server.model(), folder).read_bytes() == server.content
    assert server.asked == []


def test_another_file_is_refused_with_both_hashes_and_removed(server: ModelServer, folder: Path) -> None:
    model = replace(server.model(), sha256="ab" * 32)
    with pytest.raises(M3erError, match="expected (ab){32}, got " + server.model().sha256):
        get(model, folder)
    assert left(folder) == set()


@pytest.mark.parametrize("more", [-1, 1])
def test_a_file_of_another_size_is_refused_before_it_is_fetched(more: int, server: ModelServer, folder: Path) -> None:
    model = replace(server.model(), size_bytes=len(server.content) + more)
    with pytest.raises(M3erError, match=f"gives 262144 bytes where {262144 + more} bytes are pinned"):
        get(model, folder)
    assert left(folder) == set() and len(server.asked) == 1


def test_a_status_that_stays_is_not_tried_again(server: ModelServer, folder: Path) -> None:
    server.status = 404
    with pytest.raises(M3erError, match="404 Not Found"):
        get(server.model(), folder, tries=3)
    assert len(server.asked) == 1
    server.status = 503
    with pytest.raises(M3erError, match="503 Service Unavailable"):
        get(server.model(), folder, tries=3)
    assert len(server.asked) == 4


def test_without_a_network_the_message_says_what_to_copy_where(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/net.onnx"
        model = PublicModel("net", "tests", "-", "none", url, "0" * 64, 10, "net")
        with pytest.raises(M3erError) as error:
            get(model, folder)
    for said in ("Connection refused", url, str(part_file(model, folder)), "m3er-edge models fetch net"):
        assert said in str(error.value)
    nowhere = replace(model, url="http://no-such-host.invalid/net.onnx")
    with pytest.raises(M3erError, match=r"no-such-host\.invalid, get this URL on another machine"):
        get(nowhere, folder)


@pytest.mark.parametrize("cut", [0, 100_000])
def test_a_server_that_goes_silent_is_given_up_and_what_came_is_kept(
    cut: int, server: ModelServer, folder: Path
) -> None:
    server.cuts, server.hangs = [cut, 0], True
    began_s = time.monotonic()
    with pytest.raises(M3erError, match=r"no answer within 0\.3 s"):
        get(server.model(), folder)
    assert time.monotonic() - began_s < 5
    assert part_file(server.model(), folder).stat().st_size == cut


def test_of_two_processes_one_fetches_and_both_have_it(server: ModelServer, folder: Path) -> None:
    server.content = zip_of({"made/am/final.mdl": os.urandom(300_000), "made/conf/model.conf": b"x"})
    server.cuts, server.hangs = [100_000], True
    model = server.model("made", zipped=True)
    both = [in_a_process(model, folder), in_a_process(model, folder)]
    wait_for(lambda: server.served >= 100_000)
    time.sleep(0.5)  # the other comes to the lock
    server.hangs = False  # the connection breaks off; the first process goes on
    for process in both:
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out.strip()) == (0, str(folder / "made")), err
    assert server.served == len(server.content) and left(folder) == {"made"}


def test_after_kill_9_nothing_is_half_there_and_the_next_fetch_goes_on(server: ModelServer, folder: Path) -> None:
    server.content = zip_of({"made/am/final.mdl": os.urandom(300_000)})
    server.cuts, server.hangs = [100_000], True
    model = server.model("made", zipped=True)
    process = in_a_process(model, folder)
    part = part_file(model, folder)
    wait_for(lambda: part.exists() and part.stat().st_size > 50_000)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=10)
    kept = part.stat().st_size  # a killed process loses what Python had not yet written
    assert left(folder) == {"made.zip.part"}
    # As if another had been killed while it unpacked.
    (folder / ".made.unpacking" / "am").mkdir(parents=True)
    server.hangs = False
    assert (get(model, folder) / "am/final.mdl").stat().st_size == 300_000
    assert server.asked[-1] == f"bytes={kept}-" and left(folder) == {"made"}


def link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("made/link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (zip_of({"made/am": b"x", "made/../../evil": b"x"}), "evil"),
        (zip_of({"/tmp/evil": b"x"}), "evil"),
        (zip_of({"made\\..\\evil": b"x"}), "evil"),
        (zip_of({"made/zeros": bytes(10_000_000)}), "ten times"),
        (zip_of({f"made/{number}": b"" for number in range(1001)}), "1001 files"),
        (zip_of({}), "0 files"),
        (zip_of({"made/am": b"x" * 999})[:-30], "damaged zip"),
        (zip_of({"made/am": os.urandom(999)}).replace(b"made", b"MADE", 1), "damaged zip"),
        (b"<html>please log in</html>", "damaged zip"),
    ],
)
def test_a_zip_that_is_no_model_is_refused(content: bytes, said: str, server: ModelServer, folder: Path) -> None:
    server.content = content
    with pytest.raises(M3erError, match=said):
        get(server.model("made", zipped=True), folder)
    assert {path.name for path in folder.parent.rglob("*")} <= {"m3er-edge", ".made.lock", "made.zip.part"}


def test_a_link_in_a_zip_is_refused(server: ModelServer, folder: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as zipped:
        zipped.writestr(link(), "/etc/passwd")
    server.content = packed.getvalue()
    with pytest.raises(M3erError, match=r"made/link.*no plain file"):
        get(server.model("made", zipped=True), folder)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=160k", "none", str(place)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a full disk needs a small one, and mounting it needs root")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk_is_told_and_what_came_is_kept(small_disk: Path, server: ModelServer) -> None:
    with pytest.raises(M3erError, match=r"disk is full; net takes 0\.3 MB"):
        get(server.model(), small_disk)
    assert left(small_disk) == {"net.part"}
    server.content = zip_of({"made/zeros": bytes(5_000), "made/am": os.urandom(100_000)})
    (small_disk / "net.part").unlink()
    with pytest.raises(M3erError, match=r"disk is full; made takes 0\.3 MB"):
        get(server.model("made", zipped=True), small_disk)
    assert left(small_disk) == {"made.zip.part"}, "unpacking failed: the zip stays, for when there is room"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, server: ModelServer) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(M3erError, match=r"file.*XDG_CACHE_HOME"):
        get(server.model(), tmp_path / "file" / "folder")
