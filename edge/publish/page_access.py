"""Who may look at the page: the right host name, the right origin and, where it asks for one, the token."""

import hmac
import ipaddress
import re
import socket
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from websockets.datastructures import Headers

_HOST = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]{2,45})\]|(?P<name>[A-Za-z0-9._-]{1,253}))(?::[0-9]{1,5})?")
_BEARER = "bearer "


class Access:
    """Looks at a request's path and headers.

    A page in a browser may ask any address for anything, also one that only this machine can reach: what tells it
    apart is its Origin, and, where its name was bent to our address (DNS rebinding), the Host it asked for.

    Args:
        token: what visitors must bring; None: nothing.
        loopback: the page is served to this machine alone.
        port: where; cookies are shared by all ports of a host.
    """

    def __init__(self, token: str | None, loopback: bool, port: int) -> None:
        self._token = None if token is None else token.encode()
        self._loopback = loopback
        self._cookie = f"m3er_edge_{port}"
        # Not the token itself, and the same after a restart, so that an open page finds its way back.
        self._pass = b"" if token is None else hmac.digest(token.encode(), b"m3er-edge page", "sha256").hex().encode()

    def refusal(self, path: str, headers: Headers) -> tuple[HTTPStatus, str] | None:
        """Why this request is not answered; None if it is."""
        hosts = headers.get_all("Host")
        match = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
        if match is None:
            return HTTPStatus.BAD_REQUEST, "The request names no host, or more than one."
        if not self._is_ours(match["six"] or match["name"]):
            return HTTPStatus.MISDIRECTED_REQUEST, "This page is not served under that name: ask for its address."
        for origin in headers.get_all("Origin"):
            if origin.lower() not in (f"http://{hosts[0].lower()}", f"https://{hosts[0].lower()}"):
                return HTTPStatus.FORBIDDEN, "Another site's page may not look here."
        if self._token is not None and not self._has_pass(path, headers):
            return (
                HTTPStatus.UNAUTHORIZED,
                "This page needs its token: add ?token=… to the address, as given to m3er-edge with --page-token.",
            )
        return None

    def cookie(self, path: str) -> str | None:
        """What a browser is given to keep when it brought the token in its address."""
        if self._token is None or not self._in_query(path):
            return None
        return f"{self._cookie}={self._pass.decode()}; Path=/; HttpOnly; SameSite=Strict"

    def _is_ours(self, name: str) -> bool:
        """Addresses cannot be bent, and nobody else can own the names that mean this machine."""
        name = name.lower().rstrip(".")
        if name == "localhost" or name.endswith(".localhost"):
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:  # a name: this machine's own, with any domain behind it, where others may look at all
            return not self._loopback and name.split(".")[0] == socket.gethostname().lower().split(".")[0]
        return address.is_loopback or not self._loopback

    def _has_pass(self, path: str, headers: Headers) -> bool:
        if self._in_query(path):
            return True
        for value in headers.get_all("Authorization"):
            if value[: len(_BEARER)].lower() == _BEARER and self._is_token(_sent(value[len(_BEARER) :].strip())):
                return True
        for value in headers.get_all("Cookie"):
            for pair in value.split(";"):
                name, _, content = pair.strip().partition("=")
                if name == self._cookie and hmac.compare_digest(_sent(content), self._pass):
                    return True
        return False

    def _in_query(self, path: str) -> bool:
        try:
            tokens = parse_qs(urlsplit(path).query, max_num_fields=8).get("token", [])
        except ValueError:  # not an address, or too many fields
            return False
        return len(tokens) == 1 and self._is_token(tokens[0].encode("utf-8", "replace"))

    def _is_token(self, brought: bytes) -> bool:
        return self._token is not None and hmac.compare_digest(brought, self._token)


def _sent(value: str) -> bytes:
    """A header's bytes, which websockets decodes in one of two ways, as of its version."""
    try:
        return value.encode("iso-8859-1")
    except UnicodeEncodeError:
        return value.encode("ascii", "surrogateescape")
