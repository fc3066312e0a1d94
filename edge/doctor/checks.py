"""What a check gives back, and how one is made that can neither crash nor stop the doctor."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from edge.errors import M3erError

State = Literal["ok", "warning", "fault"]
STATES: tuple[State, ...] = ("ok", "warning", "fault")
"""From good to bad."""

_APART = """
import json, sys
job = json.load(sys.stdin)
sys.path[:] = job["path"]
from importlib import import_module
from dataclasses import asdict
findings = getattr(import_module(job["module"]), job["check"])(*job["arguments"])
print("\\n" + json.dumps([asdict(finding) for finding in findings]), flush=True)
"""


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's.

    Attributes:
        name: what was looked at, in a word or two.
        state: ``fault``: something does not work; ``warning``: it works, but worse than it could.
        said: what was found.
        do: what to do; empty where there is nothing to do.
    """

    name: str
    state: State
    said: str
    do: str = ""


Check = Callable[[], Sequence[Finding]]


def worst(findings: Sequence[Finding]) -> State:
    """The worst state of all."""
    return max((finding.state for finding in findings), key=STATES.index, default="ok")


def from_error(name: str, error: M3erError, state: State = "fault") -> Finding:
    """An error's words; what stands behind its last semicolon is what to do."""
    said, _, do = str(error).rpartition("; ")
    return Finding(name, state, said.removeprefix(f"{name}: "), do) if said else Finding(name, state, do)


def guarded(name: str, check: Check) -> Sequence[Finding]:
    """A check's findings; whatever it may raise is a finding, too."""
    try:
        return check()
    except M3erError as error:
        return [from_error(name, error)]
    except Exception as error:  # noqa: BLE001 - a check that fails must not hide what the others find
        return [Finding(name, "fault", f"the check itself failed ({type(error).__name__}: {error})", "report this bug")]


def apart(name: str, check: Callable[..., Sequence[Finding]], arguments: Sequence[str], timeout_s: float) -> Check:
    """A check in a process of its own, for libraries that may crash or hang.

    Args:
        check: a function of a module, of these arguments.
        timeout_s: then it is killed.
    """

    def ask() -> Sequence[Finding]:
        job = {"path": sys.path, "module": check.__module__, "check": check.__name__, "arguments": list(arguments)}
        try:
            done = subprocess.run(
                [sys.executable, "-c", _APART],
                input=json.dumps(job).encode(),
                capture_output=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            do = "the board is very busy or too slow for this: stop other programs, and look again"
            return [Finding(name, "warning", f"not done within {timeout_s:g} s", do)]
        if done.returncode:
            return [_crash(name, done)]
        answer = json.loads(done.stdout.decode(errors="replace").strip().rpartition("\n")[2])
        return [Finding(**values) for values in answer]

    return ask


def ask_program(command: Sequence[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
    """What a program says, in English.

    Raises:
        OSError: it is not there.
        subprocess.TimeoutExpired: it hangs.
    """
    return subprocess.run(
        list(command),
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=timeout_s,
        check=False,
        encoding="utf-8",
        errors="replace",
        env=os.environ | {"LC_ALL": "C"},
    )


def as_json(findings: Sequence[Finding]) -> str:
    """All findings as one object."""
    return json.dumps({"checks": [asdict(finding) for finding in findings], "state": worst(findings)}, indent=1)


def _crash(name: str, done: subprocess.CompletedProcess[bytes]) -> Finding:
    if done.returncode == -signal.SIGKILL:
        return Finding(name, "fault", "killed, most likely for want of memory", "stop other programs, or add swap")
    if done.returncode < 0:
        number = -done.returncode
        known = {one.value: one.name for one in signal.Signals}
        do = "a library is not made for this processor or damaged: make the virtual environment anew"
        return Finding(name, "fault", f"crashes ({known.get(number, f'signal {number}')})", do)
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return Finding(name, "fault", lines[-1] if lines else f"ended with status {done.returncode}", "install anew")
