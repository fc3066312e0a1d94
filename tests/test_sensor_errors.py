"""What is wrong with a sensor is said where it can be mended: at ``with``, or to whoever asks."""

import asyncio
import logging
from pathlib import Path

import pytest

from edge import M3erError, Sensor
from tests import made_sensor
from tests.made_sensor import Quick, assert_back_at, at_rest
from tests.soak.scene import CLIP

quick_bundle, quick = made_sensor.quick_bundle, made_sensor.quick


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"bundle": "nowhere"}, "nowhere: no such bundle folder"),
        ({"speech_model": "nowhere"}, "nowhere: no such speech model"),
        ({"speech_model": Path("no/where")}, "no such speech model"),
        ({"board": "toaster"}, "toaster.toml: no such board profile"),
        ({"board": Path(__file__)}, "no such board profile|not a board profile"),
    ],
)
def test_what_a_person_can_mend_is_said_at_with(options: dict[str, str | Path], said: str) -> None:
    before = at_rest()
    settings: dict[str, str | Path | None] = {"speech_model": None, **options}
    with pytest.raises(M3erError, match=said), Sensor(str(CLIP), None, **settings):  # type: ignore[arg-type]
        pass

    async def program() -> None:
        async with Sensor(str(CLIP), None, **settings):  # type: ignore[arg-type]
            pass

    with pytest.raises(M3erError, match=said):
        asyncio.run(program())
    assert_back_at(before)


def test_what_shows_when_the_devices_run_already_is_said_at_with_as_well(
    quick: Quick, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = at_rest()
    monkeypatch.setenv("M3ER_YUNET", "nowhere.onnx")
    with pytest.raises(M3erError, match=r"nowhere\.onnx: no such face detector"), quick(str(CLIP)):
        pass
    assert_back_at(before)


def test_a_bug_reaches_whoever_asks(
    quick: Quick, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = at_rest()
    with quick(str(CLIP)) as sensor:
        next(sensor)
        monkeypatch.setattr("edge.runtime.Runtime.step", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            for _ in sensor:
                pass
        with pytest.raises(ZeroDivisionError):
            sensor.latest()
        assert_back_at(before)
    assert "a bug in the program" in caplog.text and "ZeroDivisionError" in caplog.text
    assert logging.getLogger("edge.sensor").level == logging.NOTSET


def test_readings_are_given_inside_with_alone(quick: Quick) -> None:
    sensor = quick()
    with pytest.raises(RuntimeError, match="inside `with`"):
        next(sensor)
    with sensor:
        pass
    with pytest.raises(RuntimeError, match="once"):
        sensor.__enter__()
