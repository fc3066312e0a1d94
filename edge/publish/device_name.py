"""What this device is called where readings go."""

import re
import socket


def device_name() -> str:
    """What people call it: the host's name, without its domain."""
    return socket.gethostname().partition(".")[0]


def device_id(name: str) -> str:
    """A name as a part of topics: its letters (of ASCII), digits, ``_`` and ``-``."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "robot"
