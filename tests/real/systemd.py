"""Debian's real systemd as process 1 of namespaces of its own, on a throw-away copy of this machine's files.

Nothing on this machine changes: files are written to memory, /dev, /run, /tmp and the network are its own.
"""

import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from types import TracebackType

from tests.real.child import kill_child, missing_commands, start_child

ROOT = Path(__file__).parent.parent.parent
_SYSTEMD = Path("/lib/systemd/systemd")
_BOOT_S, _COMMAND_S, _END_S = 30.0, 60.0, 10.0

# $1: an empty folder; $2: the script inside. A control group of our own, so that nothing is left of systemd's.
_NAMESPACES = """
mount --make-rprivate / && mount -t tmpfs tmpfs "$1" && cd "$1" && mkdir cgroup upper work root || exit 9
mount -t cgroup2 cgroup2 cgroup || exit 9
group=$1/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)/m3er-test-$$
mkdir "$group" || exit 9
(echo 0 > "$group/cgroup.procs"; exec setpriv --pdeathsig KILL unshare -fpmuiCn --kill-child sh -c "$2" boot "$1")
find "$group" -depth -type d -exec rmdir {} +
"""

_BOOT = r"""
set -e
cd "$1"
mount -t overlay overlay -o lowerdir=/,upperdir="$1/upper",workdir="$1/work" root
cd root
rm -rf etc/systemd/system/*.wants
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 run run
mount -t tmpfs -o mode=1777 tmp tmp
mount -t tmpfs -o mode=755 dev dev
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
mount -t tmpfs -o mode=1777 shm dev/shm
for node in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
  IFS=: read name major minor <<END
$node
END
  mknod -m 666 dev/$name c $major $minor
done
mount --make-rshared .  # as everywhere: systemd hands a service its credentials by a mount that is seen by all
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
printf '[Unit]\nRequires=basic.target\nAfter=basic.target\n' > etc/systemd/system/booted.target
export container=test
exec chroot . /lib/systemd/systemd --system --unit=booted.target --show-status=no \
  --log-target=journal --log-level=notice
"""


@lru_cache
def missing() -> str:
    """Why there can be no SystemdMachine here; empty if there can be."""
    if os.geteuid() != 0:
        return "only root may boot systemd in namespaces"
    if not _SYSTEMD.exists():
        return "systemd not installed: run 'make system'"
    if lacks := missing_commands("unshare", "nsenter", "setpriv", "systemctl", "ip"):
        return lacks
    with tempfile.TemporaryDirectory(prefix="m3er-overlay-") as folder:
        script = (
            'mount --make-rprivate / && mount -t tmpfs t "$1" && cd "$1" && mkdir u w r && '
            'mount -t overlay o -o lowerdir=/,upperdir="$1/u",workdir="$1/w" r && mount -t cgroup2 c w'
        )
        tried = subprocess.run(
            ["unshare", "-fpmuiCn", "sh", "-c", script, "try", folder], capture_output=True, text=True, check=False
        )
    return f"no namespaces, overlay or cgroups here: {tried.stderr.strip()}" if tried.returncode else ""


class SystemdMachine:
    """``with SystemdMachine() as machine:`` boots it, in about a second; at the end nothing of it is left.

    Attributes:
        root: its files, to be read and written as any others.
    """

    def __enter__(self) -> "SystemdMachine":
        self._temporary = tempfile.TemporaryDirectory(prefix="m3er-systemd-", ignore_cleanup_errors=True)
        folder = Path(self._temporary.name)
        (folder / "machine").mkdir()
        self._said = folder / "said.txt"
        script = ["sh", "-c", _NAMESPACES, "namespaces", str(folder / "machine"), _BOOT]
        self._child = start_child(["unshare", "-m", *script], self._said)
        try:
            self._init = self._wait_for_boot()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        self.root = Path(f"/proc/{self._init}/root")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pid in _init_below(self._child.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, 9)  # everything in its namespace goes along; the script then tidies up
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(_END_S)
        kill_child(self._child)
        self._temporary.cleanup()

    def run(self, *command: str | Path, check: bool = True, timeout_s: float = _COMMAND_S) -> str:
        """A command's stdout, and its stderr after it; run as root, inside.

        Raises:
            AssertionError: `check`, and it failed.
        """
        enter = ["nsenter", "-t", str(self._init), "-m", "-p", "-C", "-n", "-i", "-u", "-r", "-w"]
        done = subprocess.run(
            [*enter, *map(str, command)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"},
        )
        said = done.stdout + done.stderr
        assert not check or done.returncode == 0, f"{' '.join(map(str, command))}: {done.returncode}\n{said}"
        return said

    def show(self, unit: str, field: str) -> str:
        """One property of a unit, as ``systemctl show`` gives it."""
        return self.run("systemctl", "show", "--value", "-p", field, unit).strip()

    def path(self, inside: str) -> Path:
        """Where we find a file of the machine."""
        return self.root / inside.lstrip("/")

    def write(self, inside: str, text: str, mode: int = 0o644) -> None:
        """A file, and the folders that lead to it."""
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)

    def bind(self, folder: Path, inside: str) -> None:
        """Let the machine see a folder of ours."""
        self.path(inside).mkdir(parents=True, exist_ok=True)
        # In its mount namespace, but from our root, where both are to be seen.
        machine = Path(self._temporary.name) / "machine" / "root" / inside.lstrip("/")
        command = ["nsenter", "-t", str(self._init), "-m", "mount", "--bind", str(folder), str(machine)]
        subprocess.run(command, check=True, timeout=_COMMAND_S)

    def install_program(self) -> None:
        """Put this checkout where the package puts it, /opt/m3er-edge/bin/m3er-edge, and our interpreter beside it."""
        opt, python = "/opt/m3er-edge", Path(sys.executable).resolve()
        folders = {f"{opt}/source": ROOT}
        base = Path(sys.base_prefix)
        if not base.is_relative_to("/usr"):
            folders[f"{opt}/python"] = base
            python = Path(f"{opt}/python") / python.relative_to(base.resolve())
        outside = [Path(path) for path in sys.path if path.endswith("-packages")]
        folders |= {f"{opt}/packages-{number}": path for number, path in enumerate(outside)}
        for inside, folder in folders.items():
            self.bind(folder, inside)
        library = f"{opt}/python/{Path(sysconfig.get_config_var('LIBDIR') or 'lib').name}"
        found_in = ":".join(folder for folder in folders if not folder.endswith("/python"))
        environment = f"LD_LIBRARY_PATH={library} PYTHONPATH={found_in} PYTHONDONTWRITEBYTECODE=1"
        self.write(f"{opt}/bin/python", f'#!/bin/sh\nexport {environment}\nexec {python} "$@"\n', 0o755)
        self.write(f"{opt}/bin/m3er-edge", f'#!/bin/sh\nexec {opt}/bin/python -m edge.cli "$@"\n', 0o755)

    def _wait_for_boot(self) -> int:
        until_s = time.monotonic() + _BOOT_S
        while time.monotonic() < until_s and self._child.poll() is None:
            for init in _init_below(self._child.pid):
                self._init = init
                with suppress(AssertionError, OSError):
                    self.run("systemctl", "is-active", "booted.target")
                    return init
            time.sleep(0.05)
        raise AssertionError(f"systemd did not boot: {self._said.read_text(errors='replace')}")


def _init_below(pid: int) -> list[int]:
    """Process 1 of the namespaces that a process of ours made; none before, or after."""
    children = []
    with suppress(OSError):
        children = list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    for child in children:
        with suppress(OSError, StopIteration):
            status = Path(f"/proc/{child}/status").read_text()
            numbers = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[1:]
            if len(numbers) > 1 and numbers[-1] == "1":
                return [child]
        if found := _init_below(child):
            return found
    return []
