"""Where readings go, by what a person types: ``--publish URL``."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import urlsplit

from edge.errors import M3erError
from edge.publish.publisher import Publisher

SCHEMES = ("jsonl", "mqtt", "mqtts", "rosbridge", "rosbridges", "ws", "zenoh")
PAGE_ADDRESS, PAGE_PORT = "127.0.0.1", 8710
_KNOWN = f"known are {', '.join(SCHEMES)}; for example jsonl:readings.jsonl or mqtt://localhost"
HELP = (
    "where readings go: jsonl:FILE (goes on in the file, rotated at 64 MB), mqtt://HOST, mqtts://HOST, "
    "rosbridge://HOST, zenoh://HOST or ws://ADDRESS:PORT (the page); may be given several times"
)


def open_destination(
    url: str, labels: Sequence[str], hop_s: float, token: str | None = None, recording: bool = False
) -> Publisher:
    """The publisher behind an URL. What it needs is imported only here: most runs need none of it.

    Args:
        labels: the bundle's emotions.
        hop_s: seconds from reading to reading.
        token: what visitors of the page must bring.
        recording: picture and sound are written somewhere, which they must see.

    Raises:
        M3erError: the URL names nothing that we know, or is malformed; or there it plainly cannot work.
    """
    scheme, _, rest = url.partition(":")
    if scheme not in SCHEMES:
        near = get_close_matches(scheme, SCHEMES, 1)
        raise M3erError(
            f"--publish {url or repr(url)}: "
            + (f"did you mean {near[0]}:? " if near else "no place that is known; ")
            + _KNOWN
        )
    if not rest.strip("/") and scheme != "zenoh":
        raise M3erError(f"--publish {url}: says not where to; {_KNOWN}")
    if scheme == "jsonl":
        from edge.publish.rotation import RotatingJsonLines

        return RotatingJsonLines(Path(rest.removeprefix("//")))
    if scheme in ("mqtt", "mqtts"):
        from edge.publish.mqtt import Mqtt

        return Mqtt(url, labels)
    if scheme in ("rosbridge", "rosbridges"):
        from edge.publish.rosbridge import Rosbridge

        return Rosbridge(url, labels)
    if scheme == "zenoh":
        from edge.publish.zenoh import Zenoh

        return Zenoh(url)
    from edge.publish.page import Page

    address, port = page_address(rest.removeprefix("//").rstrip("/"))
    return Page(labels, hop_s, address, port, token, recording=recording)


def page_address(text: str) -> tuple[str, int]:
    """``ADDRESS``, ``ADDRESS:PORT``, ``:PORT`` or ``PORT``; ours where one is left out. Raises M3erError."""
    text = f":{text}" if text.isdecimal() else text
    try:
        parts = urlsplit(f"//{text}")
        return parts.hostname or PAGE_ADDRESS, parts.port if parts.port is not None else PAGE_PORT
    except ValueError:
        raise M3erError(f"{text}: no address for the page; give one such as {PAGE_ADDRESS}:{PAGE_PORT}") from None
