"""Vosk, imported so that no socket is opened.

To fetch models it brings requests along, and urllib3 within tries out IPv6 with a socket as soon as it is imported.
Our models come by other ways, and a run that stays on its machine shall open no socket at all.
"""

import socket

_has_ipv6 = socket.has_ipv6
socket.has_ipv6 = False
try:
    import vosk
finally:
    socket.has_ipv6 = _has_ipv6

__all__ = ["vosk"]
