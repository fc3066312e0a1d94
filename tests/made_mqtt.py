"""What the tests of MQTT have in common: readings, and a robot that publishes them."""

import time
from collections.abc import Callable, Iterator

import pytest

from edge.publish.mqtt import Mqtt
from edge.publish.mqtt_broker import CA, PASSWORD, PASSWORD_FILE, USER
from edge.reading import Reading
from tests.real import mosquitto
from tests.real.mosquitto import Mosquitto
from tests.test_publish import LABELS, scene

READING = scene(1)[0]
TOPIC, AVAILABILITY = "m3er/robbie/reading", "m3er/robbie/availability"
real = pytest.mark.skipif(bool(mosquitto.missing()), reason=mosquitto.missing())


def reading(number: int) -> Reading:
    """A reading that can be told by its sequence."""
    return READING.model_copy(update={"sequence": number})


def until(holds: Callable[[], bool], what: str, within_s: float = 20.0) -> None:
    """Wait for others."""
    end_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end_s, f"never happened: {what}"
        time.sleep(0.002)


@pytest.fixture
def mqtt_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a robot that may log in."""
    for name in (CA, PASSWORD_FILE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(USER, mosquitto.USER)
    monkeypatch.setenv(PASSWORD, mosquitto.PASSWORD)


@pytest.fixture
def broker() -> Iterator[Mosquitto]:
    """Runs, without TLS."""
    with Mosquitto() as made:
        made.start()
        yield made


def publisher(broker: Mosquitto, scheme: str = "mqtt", port: int | None = None, name: str = "robbie") -> Mqtt:
    """To the real broker."""
    return Mqtt(f"{scheme}://localhost:{port or broker.port}", LABELS, name)
