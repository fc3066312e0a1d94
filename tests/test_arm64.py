"""The short version of ``make test-arm64``: one Debian, one core, all nets, the first seconds of the clip.

The first run unpacks a Debian and fetches wheels (about two minutes and a mirror); they are kept in the cache.
"""

import subprocess
import time
from pathlib import Path

import pytest

from edge.selftest.clip import read_expected
from tests.arm64.arm64 import cut, try_clip, try_self_test
from tests.arm64.userland import CORES, Userland, build_wheel, missing, with_deb, with_wheel

_CORE = "cortex-a72"
_SECONDS = 4.0

emulated = pytest.mark.skipif(missing() is not None, reason=f"arm64 programs: {missing()}")


@pytest.fixture(scope="module")
def bookworm(tmp_path_factory: pytest.TempPathFactory) -> Userland:
    """A Debian with the checkout's wheel."""
    scratch = tmp_path_factory.mktemp("arm64")
    try:
        return with_wheel("bookworm", build_wheel(scratch), scratch)
    except RuntimeError as error:  # no mirror, no index: what is tested here is another thing
        pytest.skip(f"no arm64 Debian can be made here: {str(error)[-300:]}")


@emulated
def test_every_net_and_the_method_answer_as_on_x86(bookworm: Userland) -> None:
    outcomes = try_self_test(bookworm, _CORE)
    assert [outcome for outcome in outcomes if not outcome.passed] == []
    assert [o.what for o in outcomes] == [
        "nets, fp32",
        "nets, int8",
        "nets, method",
        "probabilities, fp32",
        "probabilities, int8",
    ]


@emulated
def test_the_clip_gives_the_readings_of_x86(bookworm: Userland) -> None:
    outcome = try_clip(bookworm, _CORE, _SECONDS)
    assert outcome.passed, outcome.said
    assert outcome.said.startswith("7 readings; states differ in 0")


@emulated
def test_a_userland_is_offline_another_machine_and_leaves_nothing(bookworm: Userland, tmp_path: Path) -> None:
    mounts = Path("/proc/mounts").read_text()
    script = "uname -m; head -n 3 /proc/cpuinfo; touch /here /opt/m3er-edge/here; echo hi > /out/said"
    done = bookworm.run(["/bin/bash", "-c", script], _CORE, tmp_path, timeout_s=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("aarch64") and "asimd" in done.stdout
    assert (tmp_path / "said").read_text() == "hi\n"
    assert not any((layer / "here").exists() for layer in bookworm.layers)
    assert not (bookworm.layers[0] / "opt/m3er-edge/here").exists()
    assert Path("/proc/mounts").read_text() == mounts
    python = "import socket; socket.create_connection(('192.0.2.1', 80), 1)"
    offline = bookworm.run([*bookworm.python, "-c", python], _CORE, tmp_path, timeout_s=120)
    assert "Network is unreachable" in offline.stderr


@emulated
def test_what_hangs_is_killed(bookworm: Userland, tmp_path: Path) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        bookworm.run(["/bin/sleep", "987654"], next(iter(CORES)), tmp_path, timeout_s=5)
    until_s = time.monotonic() + 20
    while _runs("987654") and time.monotonic() < until_s:
        time.sleep(0.1)
    assert not _runs("987654")


def _runs(word: str) -> bool:
    """Whether a process has this word on its command line."""
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return any(word in line for line in found.splitlines())


def test_a_package_for_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.deb").write_bytes(b"no package")
    with pytest.raises(ValueError, match="not a package for arm64"):
        with_deb(tmp_path / "other.deb", tmp_path)


def test_a_clip_that_is_cut_keeps_its_beginning(tmp_path: Path) -> None:
    from edge.board import Board
    from edge.bundle import DEFAULT, open_bundle
    from edge.selftest.clip import CLIP, compare, run_clip

    cut(CLIP, tmp_path / "clip.mp4", 2.0)
    found = run_clip(open_bundle(DEFAULT), Board(), tmp_path / "clip.mp4").readings
    assert compare(read_expected().readings[:3], found[:3], 1e-3).passed
