"""M3ER on the edge: how the person in front of a robot seems to feel. In Python: ``from edge import Sensor``."""

import os

# Before anything imports onnxruntime: from 1.32 on its import writes an ID of this device into the user's home, and the
# library holds the address of a server for more. Whoever wants that sets it to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

TYPE_CHECKING = False  # type checkers take it for true; importing typing would cost each command its time
if TYPE_CHECKING:
    from edge.errors import M3erError
    from edge.reading import Reading
    from edge.sensor import Sensor
else:
    _HOMES = {"M3erError": "edge.errors", "Reading": "edge.reading", "Sensor": "edge.sensor"}

    def __getattr__(name: str) -> object:
        """Import what is asked for, and only then: it brings OpenCV and the engines along."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)


__all__ = ["M3erError", "Reading", "Sensor"]
