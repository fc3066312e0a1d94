"""Are there a camera and a microphone, and may this user have them."""

import getpass
import grp
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from edge.capture.devices import cameras, microphones
from edge.doctor.checks import Finding, State, ask_program

_MICROPHONES_TIMEOUT_S = 8.0
_DAEMON_TIMEOUT_S = 4.0
_GROUPS = ("video", "audio")
_NAMED_AT_MOST = 4


def check_cameras() -> Sequence[Finding]:
    """At least one camera that can be opened."""
    found = cameras()
    good = [camera for camera in found if camera.captures and camera.problem is None]
    bad = [camera for camera in found if camera.problem is not None]
    findings = []
    if good:
        named = _names([f"--camera {camera.source} ({camera.name})" for camera in good])
        findings.append(Finding("cameras", "ok", named))
    for camera in bad:
        said, _, do = (camera.problem or "").partition("; ")
        state: State = "fault" if camera.denied else "warning"
        findings.append(Finding("cameras", state, f"{camera.name} ({camera.node}): {said}", do))
    if not findings:
        do = "plug one in; a Raspberry Pi's CSI camera also needs: sudo apt install python3-picamera2"
        findings.append(Finding("cameras", "warning", "none found: the face would be missing", do))
    return findings


def check_microphones() -> Sequence[Finding]:
    """At least one microphone, asked for as the run does it."""
    found = microphones(_MICROPHONES_TIMEOUT_S)
    if not found:
        do = "plug one in and see arecord -l; if it is there, is the sound daemon running?"
        return [Finding("microphones", "warning", "none found: voice and words would be missing", do)]
    ordered = sorted(found, key=lambda one: not one.is_default)
    named = [f"--mic {one.index} ({one.name}{', default' if one.is_default else ''})" for one in ordered]
    return [Finding("microphones", "ok", _names(named))]


def check_sound_daemon() -> Sequence[Finding]:
    """PulseAudio, or PipeWire in its place."""
    if shutil.which("pactl") is None:
        said = "not asked, as pactl is not installed (pulseaudio-utils); ALSA does without a daemon"
        return [Finding("sound daemon", "ok", said)]
    try:
        done = ask_program(["pactl", "info"], _DAEMON_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        do = "restart it: systemctl --user restart pipewire pipewire-pulse, or pulseaudio"
        return [Finding("sound daemon", "fault", f"does not answer within {_DAEMON_TIMEOUT_S:g} s", do)]
    told = dict(line.split(": ", 1) for line in done.stdout.splitlines() if ": " in line)
    if done.returncode:
        return [Finding("sound daemon", "ok", "none is running; microphones are read through ALSA alone")]
    said = f"{told.get('Server Name', 'answers')} {told.get('Server Version', '')}".strip()
    return [Finding("sound daemon", "ok", f"{said}, records from {told.get('Default Source', 'nothing')}")]


def check_groups() -> Sequence[Finding]:
    """The groups that may open cameras and microphones, wherever and whenever the program is started."""
    if os.geteuid() == 0:
        return [Finding("groups", "ok", "root may open every device")]
    user, mine = _user(), set(os.getgroups()) | {os.getegid()}
    missing: list[str] = []
    later: list[str] = []
    for name in _GROUPS:
        try:
            group = grp.getgrnam(name)
        except KeyError:
            continue  # a system without that group lets its users in by other means
        if group.gr_gid not in mine:
            (later if user in group.gr_mem else missing).append(name)
    if missing:
        do = f"sudo usermod -aG {','.join(missing)} {user}, then log in again"
        return [Finding("groups", "warning", f"{user} is not in {' and '.join(missing)}", do)]
    if later:
        said = f"{user} was added to {' and '.join(later)} after this session began"
        return [Finding("groups", "warning", said, "log out and in again, or restart")]
    return [Finding("groups", "ok", f"{user} is in {' and '.join(_GROUPS)}")]


def check_sound_cards(root: Path = Path("/")) -> Sequence[Finding]:
    """Sound cards that can record and that this user may not open: PortAudio just leaves them out."""
    cards = sorted((root / "dev/snd").glob("pcmC*D*c"))
    nodes = [node for node in cards if not os.access(node, os.R_OK | os.W_OK, effective_ids=True)]
    if not nodes:
        return []
    do = "add the user to the group audio: sudo usermod -aG audio $USER, then log in again"
    return [Finding("sound cards", "fault", f"no permission to open {', '.join(node.name for node in nodes)}", do)]


def _names(names: Sequence[str]) -> str:
    more = len(names) - _NAMED_AT_MOST
    return ", ".join(names[:_NAMED_AT_MOST]) + (
        f" and {more} more, see m3er-edge run --list-devices" if more > 0 else ""
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.geteuid())  # a container's user without a name
