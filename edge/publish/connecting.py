"""What kept a connection from being made, in words, with what to do: the same for every kind of server."""

import socket
import ssl

_EXPIRED, _NOT_YET_VALID, _OTHER_NAME = 10, 9, (62, 64)  # OpenSSL's X509_V_ERR_...


def fault(error: OSError | UnicodeError, host: str, server: str, start: str, trust: str) -> str:
    """Why a server cannot be connected to; to be put after its name.

    Args:
        host: what it was called.
        server: what it is: "broker".
        start: how to start it: "start the broker".
        trust: the environment variable that names a file of certificate authorities.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate_fault(error, host, trust)
    if isinstance(error, (socket.gaierror, UnicodeError)):
        return "unknown host; check its name, and that this device is on the network"
    if isinstance(error, ConnectionRefusedError):
        return f"refused the connection; {start}, or check the port"
    if isinstance(error, TimeoutError):
        return f"does not answer; check the address, the network and that the {server} runs"
    return f"{words(error)}; check the network and the {server}"


def words(error: OSError) -> str:
    """What the system itself says."""
    if isinstance(error, ssl.SSLError):
        return (error.reason or "TLS failed").replace("_", " ").lower()
    return error.strerror or str(error) or type(error).__name__


def _certificate_fault(error: ssl.SSLCertVerificationError, host: str, trust: str) -> str:
    if error.verify_code == _EXPIRED:
        return "its certificate has expired; renew it, and check this device's clock"
    if error.verify_code == _NOT_YET_VALID:
        return "its certificate is not valid yet; check this device's clock"
    if error.verify_code in _OTHER_NAME:
        return f"its certificate is for another name than {host}; use the name in the certificate"
    return (
        f"its certificate is not trusted ({error.verify_message}); "
        f"set {trust} to the file of the authority that signed it"
    )
