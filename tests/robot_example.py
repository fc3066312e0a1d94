"""The example in the docstring of ``edge.sensor.Sensor``; a test runs it and holds the two together."""

from collections.abc import Callable

from edge import Sensor


def cheer_up(say: Callable[[str], None], camera: int | str = 0) -> None:
    with Sensor(camera=camera) as sensor:
        for reading in sensor:
            if reading.emotion == "happy":
                return
            face = reading.modalities["face"]
            say("Smile!" if face.state == "live" else f"I cannot see you: {face.reason}")
