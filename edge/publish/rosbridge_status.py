"""What a rosbridge server says of what it was sent: told once each, with what to do."""

import json
import logging
from collections.abc import Mapping

_log = logging.getLogger(__name__)

_MOST_TOLD, _LONGEST_TOLD = 20, 300


class StatusLog:
    """Takes every message of the server; logs its ``status`` operations of level error and warning, and garbage, once.

    Args:
        server: its name, for the log.
        types: of the topics that are advertised, by name.

    Attributes:
        refused: topics that the server would not have advertised, on this connection.
    """

    def __init__(self, server: str, types: Mapping[str, str]) -> None:
        self._server, self._types = server, types
        self._told: set[tuple[str, str]] = set()
        self.refused: set[str] = set()

    def new_connection(self) -> None:
        """It may have been started anew, with what it lacked."""
        self.refused.clear()

    def hear(self, said: str | bytes) -> None:
        """One message of the server, whatever is in it."""
        try:
            message = json.loads(said)
        except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
            message = None
        if not isinstance(message, dict) or not isinstance(message.get("op"), str):
            self._tell("garbage", "", "says something that is not of rosbridge's protocol; is it a rosbridge?")
            return
        # Everything else, in fragments and as PNG, too, answers questions that we do not ask.
        if message["op"] == "status" and message.get("level") in ("error", "warning"):
            self._hear_status(str(message.get("id", "")), str(message.get("msg", "")))

    def _hear_status(self, about: str, text: str) -> None:
        op, _, topic = about.partition(":")
        if topic in self.refused:
            return  # told
        shown = ascii(text[:_LONGEST_TOLD])
        if op != "advertise" or topic not in self._types:
            self._tell(about, text, f"says of {about}: {shown}" if topic in self._types else f"says: {shown}")
            return
        self.refused.add(topic)
        kind = self._types[topic]
        package = kind.partition("/")[0]
        self._tell(
            *(about, text),
            f"does not take {topic} ({kind}): {shown}; if it does not know the type, install it there "
            f"(apt install ros-$ROS_DISTRO-{package.replace('_', '-')}) and start it anew; the other topics go on",
        )

    def _tell(self, about: str, text: str, told: str) -> None:
        if (about, text) in self._told or len(self._told) > _MOST_TOLD:
            return
        self._told.add((about, text))
        _log.warning("%s: %s", self._server, told if len(self._told) <= _MOST_TOLD else "has more to say; see its log")
