"""A fresh Debian to install things into, thrown away afterwards: mmdebstrap once, then layers of memory over it."""

import os
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from tests.real.child import missing_commands

ROOT = Path(__file__).parent.parent.parent
BASES = ROOT / "out" / "debian"
"""Bases stay here for the next run of the tests."""
PACKAGES = ("python3", "systemd", "udev", "cloud-init")
"""What a board's system has before anything of ours; cloud-init is on a Raspberry Pi."""
_SETUP_S, _COMMAND_S = 900.0, 300.0

_ENTER = """
set -e
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
exec chroot "$1" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/srv LC_ALL=C.UTF-8 sh -c "$2"
"""


def missing() -> str:
    """Why there can be no fresh Debian here; empty if there can be."""
    if os.geteuid() != 0:
        return "only root may set up a Debian"
    return missing_commands("mmdebstrap", "unshare", "dpkg-deb")


def base(suite: str = "bookworm", architecture: str = "amd64") -> Path:
    """A minimal Debian's files, not to be changed. Made on the first call, which takes a minute and Debian's mirror."""
    folder = BASES / f"{suite}-{architecture}"
    if not folder.exists():
        BASES.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=BASES, prefix="part-"))
        command = [
            "mmdebstrap",
            f"--architectures={architecture}",
            "--variant=minbase",
            f"--include={','.join(PACKAGES)}",
        ]
        options = ["--quiet", "--aptopt=Acquire::Languages none", "--dpkgopt=path-exclude=/usr/share/man/*"]
        subprocess.run([*command, *options, suite, str(part)], check=True, timeout=_SETUP_S)
        part.chmod(0o755)
        part.rename(folder)
    return folder


class Debian:
    """``with Debian() as debian:`` a copy of `base`, whose changes lie in memory and go at the end."""

    def __enter__(self) -> "Debian":
        below = base()
        self._folder = Path(tempfile.mkdtemp(prefix="m3er-debian-"))
        self._mount("-t", "tmpfs", "tmpfs", self._folder)
        for name in ("upper", "work", "root"):
            (self._folder / name).mkdir()
        self.root = self._folder / "root"
        layers = f"lowerdir={below},upperdir={self._folder}/upper,workdir={self._folder}/work"
        self._mount("-t", "overlay", "overlay", "-o", layers, self.root)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for mounted in (self.root, self._folder):
            subprocess.run(["umount", "--lazy", str(mounted)], check=False)
        with suppress(OSError):
            self._folder.rmdir()

    def run(self, script: str, check: bool = True, timeout_s: float = _COMMAND_S) -> subprocess.CompletedProcess[str]:
        """A shell script as root, inside, without any network; what it says on both streams is in ``stdout``.

        Raises:
            AssertionError: `check`, and it failed.
        """
        done = subprocess.run(
            ["unshare", "-mnpf", "--kill-child", "sh", "-c", _ENTER, "enter", str(self.root), script],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
        assert not check or done.returncode == 0, f"{script}: {done.returncode}\n{done.stdout}"
        return done

    def files(self) -> set[str]:
        """Every path there is, but for what programs themselves keep under /var and /tmp."""
        found = {str(path.relative_to(self.root)) for path in self.root.rglob("*")}
        return {path for path in found if not path.startswith(("proc/", "dev/", "tmp/", "var/log/", "var/lib/dpkg/"))}

    @staticmethod
    def _mount(*arguments: str | Path) -> None:
        subprocess.run(["mount", *map(str, arguments)], check=True)
