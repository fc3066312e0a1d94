"""Readings to a zenoh network: to one node that is named, or to all that are found near by."""

import json
import logging
import re
import socket
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from edge.errors import M3erError
from edge.publish import connecting
from edge.publish.device_name import device_id, device_name
from edge.reading import Reading

if TYPE_CHECKING:
    import zenoh

_log = logging.getLogger(__name__)

_PORT, _PREFIX = 7447, "m3er"
_WORD = re.compile(r"[^\s*$?#/\x00-\x1f\x7f]+")  # of a key
_FORM = "write zenoh://HOST[:7447][/PREFIX], or zenoh:// for all that are near"
_CONNECT_S = 2.0
_LOOK_S = 0.02


class Zenoh:
    """Puts each reading as JSON on the key ``PREFIX/DEVICE/reading``, reliably and in order.

    Connected to one node, a router or a peer, it listens nowhere. Without a host it joins all peers and routers that
    answer to multicast on this network: whoever is on it can read. It connects when a reading comes; zenoh itself
    connects again. ``publish`` raises while nobody is connected, so that no reading is given to nobody. But zenoh
    acknowledges nothing: what is put in the moment before a connection's end is noticed is lost, and a node whose
    network is cut, or that hangs, is noticed after ten seconds.

    Args:
        url: ``zenoh://[HOST[:7447]][/PREFIX]``, PREFIX being ``m3er`` if not given; TCP, not encrypted.
        name: DEVICE is made of it; None: the host's name.

    Raises:
        M3erError: the URL cannot be used, or the package ``eclipse-zenoh`` is missing.
    """

    def __init__(self, url: str, name: str | None = None) -> None:
        self._host, self._port, prefix = _read_url(url)
        self._server = "zenoh://" + (f"{_in_url(self._host)}:{self._port}" if self._host else "")
        self._key = f"{prefix}/{device_id(name or device_name())}/reading"
        self._session: zenoh.Session | None = None
        self._publisher: zenoh.Publisher | None = None
        self._closed = False
        self._zenoh = _library(self._server)

    def publish(self, reading: Reading) -> None:
        """Put one reading; returns when it is on its way.

        Raises:
            M3erError: nobody is connected; says why, and what to do.
        """
        if self._closed:
            raise RuntimeError(f"a reading came after {self._server} was closed")
        session, publisher = self._connected()
        if not _is_connected(session):
            raise self._error()
        try:
            publisher.put(reading.to_json(), encoding=self._zenoh.Encoding.APPLICATION_JSON)
        except self._zenoh.ZError as error:
            raise M3erError(f"{self._server}: {error}") from error

    def close(self) -> None:
        """Leave; what was put is sent first."""
        self._closed = True
        session, self._session, self._publisher = self._session, None, None
        if session is not None:
            session.close()  # type: ignore[no-untyped-call]

    def _connected(self) -> "tuple[zenoh.Session, zenoh.Publisher]":
        if self._session is None or self._publisher is None:
            try:
                session = self._zenoh.open(self._config())
            except self._zenoh.ZError as error:
                raise self._error() from error
            publisher = session.declare_publisher(
                self._key, congestion_control=self._zenoh.CongestionControl.BLOCK, express=True
            )
            self._session, self._publisher = session, publisher
            until_s = time.monotonic() + _CONNECT_S
            while not _is_connected(session) and time.monotonic() < until_s:  # those near by answer one after another
                time.sleep(_LOOK_S)
            if _is_connected(session):
                _log.info("%s: readings go to %s", self._server, self._key)
        return self._session, self._publisher

    def _config(self) -> "zenoh.Config":
        near = self._host is None
        config: zenoh.Config = self._zenoh.Config()
        for name, value in {
            "mode": "peer" if near else "client",
            "scouting/multicast/enabled": near,
            "listen/endpoints": [],
            "connect/endpoints": [] if self._host is None else [f"tcp/{_in_url(self._host)}:{self._port}"],
            "connect/timeout_ms": round(1000 * _CONNECT_S),
            "connect/exit_on_failure": True,
        }.items():
            config.insert_json5(name, json.dumps(value))
        return config

    def _error(self) -> M3erError:
        """Why nobody is connected. zenoh says only that time is over: the port is asked."""
        if self._host is None:
            return M3erError(
                "zenoh://: nobody answers on this network; start a subscriber, or name a host: zenoh://HOST"
            )
        try:
            socket.create_connection((self._host, self._port), _CONNECT_S).close()
        except (OSError, UnicodeError) as error:
            why = connecting.fault(error, self._host, "zenoh node", "start zenohd there, or a peer that listens", "")
            return M3erError(f"{self._server}: {why}")
        return M3erError(f"{self._server}: something is there that does not answer in zenoh; check the port")


def _library(server: str) -> Any:
    """The package, which only those who want it install. Raises M3erError without it."""
    try:
        import zenoh
    except ImportError as error:
        raise M3erError(f"{server}: eclipse-zenoh is missing; install it: pip install eclipse-zenoh") from error
    return zenoh


def _is_connected(session: "zenoh.Session") -> bool:
    return bool(session.info.routers_zid() or session.info.peers_zid())


def _read_url(url: str) -> tuple[str | None, int, str]:
    """Host, port and prefix; M3erError says what is wrong with the URL."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORT
    except ValueError as error:
        raise M3erError(f"{url}: {error}; {_FORM}") from error
    if "@" in parts.netloc:
        raise M3erError(f"zenoh://…@{parts.hostname}: there are no users here; {_FORM}")
    if not url.startswith("zenoh://") or (parts.netloc and not parts.hostname) or parts.query or parts.fragment:
        raise M3erError(f"{url}: not a zenoh node's address; {_FORM}")
    prefix = unquote(parts.path).strip("/") or _PREFIX
    if not all(_WORD.fullmatch(word) for word in prefix.split("/")):
        raise M3erError(f"{url}: {prefix!r} is no beginning of a key; use words without spaces, *, $, ? or #")
    return parts.hostname, port, prefix


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
