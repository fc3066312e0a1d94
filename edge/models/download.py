"""One file from the internet, exactly as pinned: resumed where it broke off, and tried a few times."""

import hashlib
import logging
import re
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from edge.errors import M3erError
from edge.models.public import PublicModel

TIMEOUT_S = 30.0
"""To connect, and between two pieces of an answer."""
PAUSES_S = (1.0, 3.0, 9.0)
"""Waits between tries: one try more than there are pauses."""

_BLOCK_BYTES = 1 << 16
_CANNOT_CONTINUE = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
_MAY_PASS = frozenset({408, 425, 429, 500, 502, 503, 504, _CANNOT_CONTINUE})
_log = logging.getLogger(__name__)


def download(
    model: PublicModel, part: Path, on_bytes: Callable[[int], None], timeout_s: float, pauses_s: Sequence[float]
) -> None:
    """Make `part` the whole file that `model` pins; what it already holds is not asked for again.

    Args:
        part: may hold a beginning, of an earlier try or put there by hand.
        on_bytes: called with the bytes that are there, again and again.
        timeout_s: to connect, and between two pieces.
        pauses_s: waits between tries.

    Raises:
        M3erError: no network, a refusal, or another file than pinned. `part` stays, unless it is whole and wrong.
        OSError: the disk.
    """
    for pause_s in (*pauses_s, None):
        try:
            _continue(model, part, on_bytes, timeout_s)
            break
        except _NetworkError as error:
            if error.status == _CANNOT_CONTINUE:
                part.unlink(missing_ok=True)
            if pause_s is None or not error.may_pass:
                raise M3erError(f"{model.url}: cannot be fetched ({error}); {_by_hand(model, part)}") from None
            _log.info("%s: %s; again in %g s", model.name, error, pause_s)
        time.sleep(pause_s)
    got = sha256_of(part)
    if got != model.sha256:
        part.unlink()
        raise M3erError(
            f"{model.url}: not the file that was pinned: SHA-256 expected {model.sha256}, got {got}; it was removed. "
            "Try once more; if it stays so, the file there has changed"
        )


class _NetworkError(Exception):
    """The connection or the server, not the disk; in words.

    Attributes:
        status: HTTP's, or 0.
        may_pass: another try may bring more.
    """

    def __init__(self, why: str, status: int = 0, may_pass: bool = True) -> None:
        super().__init__(why)
        self.status = status
        self.may_pass = may_pass


@contextmanager
def _network(timeout_s: float) -> Iterator[None]:
    """Turns whatever the network raises into a `_NetworkError`. Nothing that writes to the disk belongs inside."""
    try:
        yield
    except HTTPError as error:
        raise _NetworkError(
            f"the server says {error.code} {error.reason}", error.code, error.code in _MAY_PASS
        ) from None
    except (OSError, HTTPException) as error:
        cause = error.reason if isinstance(error, URLError) else error
        if isinstance(cause, ssl.SSLCertVerificationError):
            why = f"its certificate is refused: {cause.verify_message}; is this machine's clock right?"
            raise _NetworkError(why, may_pass=False) from None
        if isinstance(cause, TimeoutError):
            raise _NetworkError(f"no answer within {timeout_s:g} s") from None
        raise _NetworkError(getattr(cause, "strerror", None) or str(cause) or type(cause).__name__) from None


def _continue(model: PublicModel, part: Path, on_bytes: Callable[[int], None], timeout_s: float) -> None:
    have = part.stat().st_size if part.exists() else 0
    if have == model.size_bytes:
        on_bytes(have)
        return
    if have > model.size_bytes:
        have = 0
    headers = {"User-Agent": "m3er-edge"} | ({"Range": f"bytes={have}-"} if have else {})
    with _network(timeout_s):
        answer = urlopen(Request(model.url, headers=headers), timeout=timeout_s)
    with answer:
        begin, total = _extent(answer)
        if total not in (None, model.size_bytes):
            raise M3erError(_another_file(model, part, f"{total} bytes"))
        if begin not in (0, have):
            raise _NetworkError(f"asked for what follows byte {have}, the server gives what follows {begin}")
        have = begin  # 0 from a server that ignores Range
        with part.open("ab" if have else "wb") as file:
            while have < model.size_bytes:
                with _network(timeout_s):
                    block = answer.read1(_BLOCK_BYTES)  # not read(): a time-out would lose what had come before it
                if not block:
                    raise _NetworkError(f"broke off after {have} of {model.size_bytes} bytes")
                have += len(block)
                if have > model.size_bytes:
                    raise M3erError(_another_file(model, part, "more"))
                file.write(block)
                on_bytes(have)


def _extent(answer: HTTPResponse) -> tuple[int, int | None]:
    """Where in the file the answer begins, and how long the whole file is, if it says."""
    if answer.status == HTTPStatus.PARTIAL_CONTENT:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
        if match is None:
            raise _NetworkError("the server gives a part of the file without saying which")
        return int(match[1]), None if match[2] == "*" else int(match[2])
    length = answer.headers.get("Content-Length", "")
    return 0, int(length) if length.isdecimal() else None


def _by_hand(model: PublicModel, part: Path) -> str:
    host = urlsplit(model.url).hostname
    return (
        f"without a network to {host}, get this URL on another machine, copy it to {part}, and run "
        f"m3er-edge models fetch {model.name} here again, which checks it"
    )


def _another_file(model: PublicModel, part: Path, gives: str) -> str:
    return (
        f"{model.url}: gives {gives} where {model.size_bytes} bytes are pinned: not this model (the network's "
        f"log-in page?); {_by_hand(model, part)}"
    )


def sha256_of(path: Path) -> str:
    """In hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
