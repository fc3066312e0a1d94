"""An arm64 Debian as layers of folders: unpacked once, then used by every run, and written to by none."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.real.child import dies_with_parent

ROOT = Path(__file__).parent.parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "m3er-edge-tests" / "arm64"
_ENTER = Path(__file__).parent / "enter.sh"

SUITES: Mapping[str, str] = {"bookworm": "3.11", "trixie": "3.13"}
"""Debian's releases, and the Python of each: what Raspberry Pi OS is made of."""
_GLIBC: Mapping[str, tuple[str, ...]] = {
    "bookworm": ("2_34", "2_31", "2_28", "2_27", "2_17"),
    "trixie": ("2_39", "2_34", "2_31", "2_28", "2_27", "2_17"),
}
_PACKAGES = (
    *("base-files", "bash", "coreutils", "dash", "libc-bin", "python3", "ca-certificates"),
    *("python3-pyaudio", "libgomp1", "libstdc++6", "libatomic1"),  # what the wheels leave to the system
)

CORES: Mapping[str, tuple[str, str]] = {
    "cortex-a53": ("0xd03", "fp asimd evtstrm crc32 cpuid"),
    "cortex-a72": ("0xd08", "fp asimd evtstrm crc32 cpuid"),
    "cortex-a76": (
        "0xd0b",
        "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp",
    ),
}
"""Raspberry Pi 3 and Zero 2 W; 4 (the Jetson Nano's A57 is its like); 5. What a core lacks traps under qemu, too."""

_PROGRAMS: Mapping[str, str] = {
    "qemu-aarch64-static": "qemu-user-static",
    "mmdebstrap": "mmdebstrap",
    "update-binfmts": "binfmt-support",
    "unshare": "util-linux",
}
_BINFMT = Path("/proc/sys/fs/binfmt_misc")


def missing() -> str | None:
    """Why no arm64 program can be run here; None where one can."""
    if os.geteuid() != 0:
        return "needs root, to mount and to chroot"
    lacking = [package for program, package in _PROGRAMS.items() if shutil.which(program) is None]
    if lacking:
        return f"needs {', '.join(lacking)} (make system)"
    if not (_BINFMT / "register").exists():
        subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", str(_BINFMT)], capture_output=True, check=False)
    if not (_BINFMT / "qemu-aarch64").exists():
        subprocess.run(["update-binfmts", "--enable", "qemu-aarch64"], capture_output=True, check=False)
    if not (_BINFMT / "qemu-aarch64").exists():
        return "the kernel does not take qemu for arm64 programs (binfmt_misc)"
    return None


@dataclass(frozen=True)
class Userland:
    """A Debian with the program installed.

    Attributes:
        layers: its root, the uppermost first.
        python, m3er_edge: how the program's Python and its command are started there.
        installed: what is installed: the wheel or the package.
    """

    suite: str
    layers: tuple[Path, ...]
    python: tuple[str, ...]
    m3er_edge: tuple[str, ...]
    installed: str
    environment: Mapping[str, str]

    def run(
        self, command: Sequence[str], core: str, out: Path, timeout_s: float, stop_after_s: float | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command as that core would, without a network; it may write to `out`, which it sees as ``/out``.

        Args:
            stop_after_s: it gets SIGTERM then; its own status is the answer.

        Raises:
            subprocess.TimeoutExpired: it did not end in time, and was killed.
        """
        part, features = CORES[core]
        with tempfile.TemporaryDirectory(prefix="m3er-arm64-") as scratch:
            work = Path(scratch)
            (work / "root").mkdir()
            (work / "cpuinfo").write_text("".join(_processor(n, part, features) for n in range(4)), encoding="ascii")
            layers = ":".join(map(str, self.layers))
            enter = [str(_ENTER), str(work / "root"), layers, str(work / "cpuinfo"), str(out)]
            stop = ["/usr/bin/timeout", "--preserve-status", f"{stop_after_s:g}"] if stop_after_s is not None else []
            # SIGKILL all the way down: unshare itself heeds no SIGTERM, and emulated programs may run for an hour.
            apart = ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child=KILL"]
            return subprocess.run(
                dies_with_parent([*apart, *enter, *stop, *command]),
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "QEMU_CPU": core, **self.environment},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=timeout_s,
                check=False,
                encoding="utf-8",
                errors="replace",
            )


def with_wheel(suite: str, wheel: Path, scratch: Path) -> Userland:
    """A Debian with our wheel, and the wheels that it asks for. The first time it takes minutes and a mirror.

    Args:
        wheel: from :func:`build_wheel`.
        scratch: an empty folder that lives as long as the userland.
    """
    own = scratch / suite
    _pip("install", "--no-deps", "--no-compile", "--target", str(own / "opt/m3er-edge"), str(wheel))
    # The path of our own wheel comes last: there are programs of its dependencies as well.
    environment = {"PYTHONPATH": "/opt/m3er-edge:/opt/wheels", "PYTHONDONTWRITEBYTECODE": "1"}
    python = ("/usr/bin/python3",)
    command = (*python, "-m", "edge.cli")
    return Userland(suite, (own, _wheels(suite, wheel), _base(suite)), python, command, wheel.name, environment)


def with_deb(deb: Path, scratch: Path) -> Userland:
    """A Debian with our package unpacked as dpkg would; its scripts are not run. Raises ValueError for another's."""
    told = subprocess.run(["dpkg-deb", "--field", str(deb), "Architecture", "Depends"], capture_output=True, text=True)
    if told.returncode or "Architecture: arm64" not in told.stdout:
        raise ValueError(f"{deb}: not a package for arm64")
    found = re.search(r"python3 \(>= (3\.\d+)\)", told.stdout)
    suite = {version: name for name, version in SUITES.items()}.get(found[1] if found else "")
    if suite is None:
        raise ValueError(f"{deb}: for a Python that none of {', '.join(SUITES)} has")
    own = scratch / deb.stem
    subprocess.run(["dpkg-deb", "--extract", str(deb), str(own)], check=True)
    python, command = ("/opt/m3er-edge/bin/python3",), ("/usr/bin/m3er-edge",)
    return Userland(suite, (own, _base(suite)), python, command, deb.name, {"PYTHONDONTWRITEBYTECODE": "1"})


def build_wheel(scratch: Path) -> Path:
    """The checkout's wheel."""
    _pip("wheel", "--no-deps", "--wheel-dir", str(scratch), str(ROOT))
    (wheel,) = scratch.glob("m3er_edge-*.whl")
    return wheel


def _base(suite: str) -> Path:
    """Debian, unpacked: no script of a package is run, so nothing is emulated."""
    folder = CACHE / f"{suite}-{_short(_PACKAGES)}"
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        options = ['--aptopt=Acquire::Languages "none"', "--aptopt=APT::Sandbox::User root"]
        left_out = [f"--dpkgopt=path-exclude=/usr/share/{what}/*" for what in ("man", "doc", "locale")]
        packages = f"--include={','.join(_PACKAGES)}"
        _run(
            "mmdebstrap", "--architectures=arm64", "--variant=extract", packages, *options, *left_out, suite, str(part)
        )
        part.rename(folder)
    return folder


def _wheels(suite: str, wheel: Path) -> Path:
    """The dependencies of a wheel in ``opt/wheels``, for that Debian's Python and aarch64; nothing is compiled."""
    with zipfile.ZipFile(wheel) as opened:
        (papers,) = (name for name in opened.namelist() if name.endswith(".dist-info/METADATA"))
        lines = opened.read(papers).decode().splitlines()
    needs = sorted(line for line in lines if line.startswith("Requires-Dist") and "extra ==" not in line)
    folder = CACHE / f"{suite}-wheels-{_short(needs)}"
    if not folder.exists():
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        platforms = [f"--platform=manylinux_{version}_aarch64" for version in _GLIBC[suite]]
        with tempfile.TemporaryDirectory() as built:
            _pip("wheel", "--no-deps", "--wheel-dir", built, "srt")  # PyPI has only its source: plain Python
            _pip(
                *("install", "--no-compile", "--ignore-installed", "--no-warn-conflicts", "--only-binary=:all:"),
                *platforms,
                "--platform=manylinux2014_aarch64",
                *("--implementation=cp", f"--python-version={SUITES[suite]}", f"--find-links={built}"),
                *("--target", str(part / "opt/wheels"), str(wheel)),
            )
        for own in ("edge", "export", "firmware_configs"):  # only what it needs
            shutil.rmtree(part / "opt/wheels" / own)
        part.rename(folder)
    return folder


def _processor(number: int, part: str, features: str) -> str:
    lines = (
        f"processor\t: {number}",
        "BogoMIPS\t: 108.00",
        f"Features\t: {features}",
        "CPU implementer\t: 0x41",
        "CPU architecture: 8",
        "CPU variant\t: 0x0",
        f"CPU part\t: {part}",
        "CPU revision\t: 3",
    )
    return "\n".join(lines) + "\n\n"


def _short(values: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(values).encode()).hexdigest()[:12]


def _pip(*arguments: str) -> None:
    _run(sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()[-2000:]}")
