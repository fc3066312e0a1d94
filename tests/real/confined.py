"""What a program may do inside the service's confinement: run there in place of ``m3er-edge``, by a drop-in.

Tries everything, writes what came of it to ``probe.json`` in the state folder, says READY, and waits to be stopped.
Standard library alone, and no part of `tests`: it is run by whatever interpreter the machine has.
"""

import ctypes
import errno
import json
import mmap
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

_CLONE_NEWUSER, _PR_GET_NO_NEW_PRIVS = 0x10000000, 39


def _try(what: Callable[..., object], *arguments: object) -> str:
    """``allowed``, or why not, e.g. ``EACCES``."""
    try:
        what(*arguments)
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return "allowed"


def _call(name: str, *arguments: int) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)


def _write(folder: str) -> None:
    path = Path(folder, "probe")
    path.write_text("x", encoding="utf-8")
    path.unlink()


def _open_device(path: str) -> None:
    os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))


def _open_socket(family: int, kind: int) -> None:
    socket.socket(family, kind).close()


def _listen() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.bind(("127.0.0.1", 8710))
        listener.listen()


def _send(address: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", (address, 9))


def _writable_code() -> None:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


def _capabilities() -> int:
    """All of them that it has, or may ever get."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines())
    return sum(int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"))


def probe(devices: list[str]) -> dict[str, str | int]:
    """What is allowed, by name."""
    folders = (
        os.environ["STATE_DIRECTORY"],
        os.environ["RUNTIME_DIRECTORY"],
        "/tmp",
        "/var/tmp",
        "/",
        "/etc",
        "/var/lib",
    )
    families = {"UNIX": socket.SOCK_STREAM, "INET": socket.SOCK_DGRAM, "INET6": socket.SOCK_STREAM}
    families |= dict.fromkeys(("NETLINK", "PACKET", "CAN"), socket.SOCK_RAW)
    found: dict[str, str | int] = {}
    found |= {f"write {folder}": _try(_write, folder) for folder in (*folders, "/opt/m3er-edge", "/run", "/home")}
    found |= {
        f"socket AF_{name}": _try(_open_socket, getattr(socket, f"AF_{name}"), kind) for name, kind in families.items()
    }
    found |= {f"device {path}": _try(_open_device, path) for path in devices}
    found |= {f"send to {address}": _try(_send, address) for address in ("127.0.0.1", "192.168.7.7", "203.0.113.7")}
    found |= {f"list {folder}": _try(os.listdir, folder) for folder in ("/home", "/root")}
    found["listen"] = _try(_listen)
    found["name lookup"] = _try(socket.getaddrinfo, "localhost", 1883)
    found["others' processes"] = sum(
        path.name.isdigit() and int(path.name) != os.getpid() for path in Path("/proc").iterdir()
    )
    found["new namespace"] = _try(_call, "unshare", _CLONE_NEWUSER)
    found["writable code"] = _try(_writable_code)
    found["shared memory"] = _try(os.memfd_create, "probe")
    found["chroot"] = _try(os.chroot, "/")
    found["ptrace"] = _try(_call, "ptrace", 0, 0, 0, 0)
    found["choose cores"] = _try(os.sched_setaffinity, 0, os.sched_getaffinity(0))
    found["no new privileges"] = ctypes.CDLL(None).prctl(_PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
    found["capabilities"] = _capabilities()
    found["core file bytes"] = resource.getrlimit(resource.RLIMIT_CORE)[1]
    found["user"] = os.getuid()
    return found


def main() -> None:
    """In place of the service; arguments are devices to open."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    Path(os.environ["STATE_DIRECTORY"], "probe.json").write_text(json.dumps(probe(sys.argv[1:])), encoding="utf-8")
    address = os.environ["NOTIFY_SOCKET"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.sendto(b"READY=1", "\0" + address[1:] if address.startswith("@") else address)
    signal.sigwait({signal.SIGTERM})


if __name__ == "__main__":
    main()
