"""What the tests of rosbridge share: readings, a server that runs, and publishers to it."""

import json
import time
from collections.abc import Callable, Iterator

import pytest

from edge.errors import M3erError
from edge.publish.rosbridge import Rosbridge
from edge.reading import Reading
from tests.real.rosbridge import Heard, RosbridgeServer
from tests.test_publish import LABELS, scene

_READING = scene(1)[0]
EXPRESSION, WHOLE, DIAGNOSTICS = "/m3er/expression", "/m3er/reading", "/diagnostics"


def reading(number: int = 0, **update: object) -> Reading:
    """A reading that can be told by its sequence."""
    return _READING.model_copy(update={"sequence": number, "t": number / 2, **update})


def numbers(heard: list[Heard]) -> list[int]:
    """The sequences of what was published on the topic of whole readings."""
    return [json.loads(h.message["data"])["sequence"] for h in heard if h.topic == WHOLE and h.op == "publish"]


@pytest.fixture
def server() -> Iterator[RosbridgeServer]:
    with RosbridgeServer() as running:
        yield running


def publisher_of(server: RosbridgeServer) -> Rosbridge:
    return Rosbridge(server.url, LABELS)


def refused(publish: Callable[[], object], *words: str, within_s: float = 3.0) -> None:
    """It raises an M3erError with these words in time."""
    began_s = time.monotonic()
    with pytest.raises(M3erError) as caught:
        publish()
    assert time.monotonic() - began_s < within_s
    assert all(word in str(caught.value) for word in words), caught.value
