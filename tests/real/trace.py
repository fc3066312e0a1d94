"""What a program and all of its children ask the kernel for, by strace: sockets, and everything that is written."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from tests.real.child import missing_commands

_SOCKETS = ("socket", "socketpair", "connect", "bind")
_OPENING = ("open", "openat", "openat2", "creat")
_MAKING = (
    *("mknod", "mkdir", "rename", "renameat2", "link", "symlink", "truncate"),
    *("mknodat", "mkdirat", "renameat", "linkat", "symlinkat"),
)
_WRITING = ("write", "pwrite64", "writev", "pwritev", "pwritev2", "sendto", "sendmsg", "sendmmsg")
_UNSEEN = ("sendfile", "copy_file_range", "splice", "tee", "vmsplice", "io_uring_setup")
_CALL = re.compile(r"(\w+)\((.*)\)\s+= (-?\d+|0x[0-9a-f]+|\?)(?:<(.*)>)?")
_HEX = re.compile(r"(?:\\x[0-9a-f]{2})+")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_DESCRIPTOR = re.compile(r"\d+<(.*?)>(?:\(deleted\))?[,)]")


@dataclass
class Trace:
    """What was asked for, whether it was granted or not; but a file that could not be opened was not opened.

    Attributes:
        sockets: families, e.g. ``AF_UNIX``, with the whole call.
        opened: paths that were opened for writing.
        made: calls that made or changed a file, a folder or a name, else than by opening it.
        written: bytes that were written, by the path, pipe or socket they went to; memory (memfd, eventfd) is none.
        unseen: calls that write what we cannot see.
        processes: what the processes and threads called themselves.
    """

    sockets: list[tuple[str, str]] = field(default_factory=list)
    opened: set[str] = field(default_factory=set)
    made: list[str] = field(default_factory=list)
    written: dict[str, bytearray] = field(default_factory=dict)
    unseen: list[str] = field(default_factory=list)
    processes: set[str] = field(default_factory=set)


@lru_cache
def missing() -> str:
    """Why nothing can be traced here; empty if it can."""
    if lacks := missing_commands("strace"):
        return lacks
    tried = subprocess.run(["strace", "-f", "true"], capture_output=True, text=True, check=False)
    return f"strace may not trace here: {tried.stderr.splitlines()[-1:]}" if tried.returncode else ""


def traced(folder: Path) -> list[str]:
    """What to put before a command; its trace comes into the folder."""
    names = (*_SOCKETS, *_OPENING, *_MAKING, *_WRITING, *_UNSEEN, "prctl")
    calls = "trace=" + ",".join(f"?{name}" for name in names)  # "?": not every machine has all of them
    # A file for each process: no call is cut in two. Strings in hexadecimal: no sign in them is taken for another.
    how = ["-ff", "--seccomp-bpf", "-yy", "-xx", "-s", "1048576", "-e", calls]
    return ["strace", *how, "-o", str(folder / "trace")]


def read_trace(folder: Path) -> Trace:
    """What :func:`traced` left in a folder.

    Raises:
        AssertionError: there is nothing, or a line that is not understood.
    """
    trace, lines = Trace(), 0
    for path in sorted(folder.glob("trace.*")):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(("+++", "---")) or "<unfinished ...>" in line:  # unfinished: killed in the middle of it
                continue
            lines += 1
            call = _CALL.match(line)
            assert call is not None, f"strace said: {line[:200]}"
            _take(trace, call[1], call[2] + ")", call[3].startswith("-"), call[4] or "", line)
    assert lines, "nothing was traced"
    return trace


def _take(trace: Trace, name: str, arguments: str, failed: bool, result: str, line: str) -> None:
    if name in _SOCKETS:
        family = re.search(r"\bAF_\w+", arguments)
        trace.sockets.append((family[0] if family else "?", _plain(line)))
    elif name == "prctl":
        if arguments.startswith("PR_SET_NAME"):
            trace.processes.add(_plain(arguments.split('"')[1]))
    elif failed:
        return
    elif name in _OPENING:
        if name == "creat" or re.search(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND", arguments):
            trace.opened.add(_plain(result).split("<")[0])
    elif name in _MAKING:
        trace.made.append(_plain(line))
    elif name in _UNSEEN:
        trace.unseen.append(_plain(line))
    elif name in _WRITING:
        where = _DESCRIPTOR.match(arguments)
        to = _plain(where[1]) if where else "?"
        if not to.startswith(("anon_inode:", "/memfd:")):
            trace.written.setdefault(to, bytearray()).extend(b"".join(_strings(arguments)))


def _strings(arguments: str) -> Iterator[bytes]:
    for text in _STRING.findall(arguments):
        yield bytes.fromhex(text.replace("\\x", ""))


def _plain(text: str) -> str:
    return _HEX.sub(lambda match: bytes.fromhex(match[0].replace("\\x", "")).decode(errors="replace"), text)
