"""Which MQTT broker: its URL, the secrets for it, and in words what is wrong with it."""

import ipaddress
import logging
import os
import re
import ssl
import stat
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from edge.errors import M3erError
from edge.publish import connecting

_log = logging.getLogger(__name__)

USER, PASSWORD, PASSWORD_FILE, CA = "M3ER_MQTT_USER", "M3ER_MQTT_PASSWORD", "M3ER_MQTT_PASSWORD_FILE", "M3ER_MQTT_CA"
"""Environment variables."""

_PORTS = {"mqtt": 1883, "mqtts": 8883}
_PREFIX = "m3er"
_FORM = "write mqtt://[USER@]HOST[:PORT][/PREFIX], or mqtts:// for TLS"
_WORD = re.compile(r"[^\s+#$/\x00-\x1f\x7f]+")  # of a topic


@dataclass(frozen=True)
class Broker:
    """Where the broker is, and who we are there.

    Args:
        prefix: of the topics, without a slash at either end.
    """

    scheme: str
    host: str
    port: int
    user: str | None
    prefix: str

    @property
    def name(self) -> str:
        """For messages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def listens_in(self) -> bool:
        """Whether others on the network could read what is sent."""
        try:
            here = ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            here = self.host == "localhost"
        return self.scheme == "mqtt" and not here

    def error(self, fault: str) -> M3erError:
        """What is wrong with it, and what to do."""
        return M3erError(f"{self.name}: {fault}")

    def password(self) -> str | None:
        """From the environment, or from the file that it names, as it is now; None: there is none.

        Raises:
            M3erError: the file cannot be read, or two passwords or no user are given.
        """
        password, file = os.environ.get(PASSWORD), os.environ.get(PASSWORD_FILE)
        if password and file:
            raise self.error(f"both {PASSWORD} and {PASSWORD_FILE} are set; remove one of them")
        if file:
            password = _first_line(Path(file))
        if password and not self.user:
            raise self.error(f"a password is given and no user; set {USER}, or name the user in the URL")
        return password or None

    def authorities(self) -> ssl.SSLContext | None:
        """Whom to trust, as it stands on disk now; None: no TLS.

        Raises:
            M3erError: the file of authorities cannot be used.
        """
        if self.scheme != "mqtts":
            return None
        file = os.environ.get(CA) or None
        try:
            return ssl.create_default_context(cafile=file)
        except OSError as error:  # ssl.SSLError, too
            fault = error.strerror if not isinstance(error, ssl.SSLError) else "not a PEM file of certificates"
            raise M3erError(f"{file}: {fault}; set {CA} to a file of certificate authorities, in PEM") from error

    def cause(self, error: OSError) -> M3erError:
        """Why it cannot be connected to."""
        is_cert = isinstance(error, ssl.SSLCertVerificationError)
        if self.scheme == "mqtts" and isinstance(error, (ssl.SSLError, ConnectionResetError)) and not is_cert:
            return self.error(f"no TLS there ({connecting.words(error)}); give the TLS port, or use mqtt:// for none")
        return self.error(connecting.fault(error, self.host, "broker", "start the broker", CA))


def read_url(url: str) -> Broker:
    """The broker that a URL names; its user may also come from the environment.

    Raises:
        M3erError: it is none of a broker, or holds a password, which everybody could read in the list of processes.
            The message does not repeat what might be one.
    """
    scheme, _, rest = url.partition("://")
    if scheme not in _PORTS:
        raise M3erError(f"the URL of the MQTT broker begins with neither mqtt:// nor mqtts://; {_FORM}")
    if ":" in rest.rpartition("@")[0]:
        raise M3erError(
            f"{scheme}://...: a password in a URL can be read by everybody; leave it out, and put it into the "
            f"environment variable {PASSWORD}, or into a file that {PASSWORD_FILE} names"
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _PORTS[scheme]
        host.encode("idna")
    except ValueError as error:  # UnicodeError, too
        raise M3erError(f"{url}: {error}; {_FORM}") from error
    prefix = unquote(parts.path).strip("/") or _PREFIX
    if not host or parts.query or parts.fragment:
        raise M3erError(f"{url}: not a broker's address; {_FORM}")
    if not all(_WORD.fullmatch(word) for word in prefix.split("/")):
        raise M3erError(f"{url}: {prefix!r} is no beginning of topics; use words without spaces, +, # or $")
    user = unquote(parts.username) if parts.username else os.environ.get(USER)
    return Broker(scheme, host, port, user or None, prefix)


def warn_of_leaks(broker: Broker) -> None:
    """Log once how others might get at the password.

    Raises:
        M3erError: the password cannot be read.
    """
    if broker.password() is None:
        return
    if broker.listens_in:
        _log.warning("%s: the password crosses the network in the open; use mqtts://", broker.name)
    file = os.environ.get(PASSWORD_FILE)
    if file and Path(file).stat().st_mode & stat.S_IROTH:
        _log.warning("%s: every user of this device can read the password; chmod 600 it", file)


def _first_line(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        fault = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise M3erError(f"{file}: cannot read the password: {fault}; check {PASSWORD_FILE}") from None
