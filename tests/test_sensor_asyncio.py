"""A sensor in a program of coroutines: the event loop never waits for it."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from edge import Reading, Sensor
from edge.live_runtime import bundle_for_run
from edge.models import VOSK_TINY_EN
from edge.supervisor import Supervisor
from tests import made_sensor
from tests.made_sensor import Quick, assert_back_at, at_rest, children, numbers
from tests.soak.scene import CLIP

quick_bundle, quick = made_sensor.quick_bundle, made_sensor.quick


def test_the_event_loop_never_waits(quick: Quick, monkeypatch: pytest.MonkeyPatch) -> None:
    before, gaps_s = at_rest(), []

    def slowly(work: Callable[..., Any]) -> Callable[..., Any]:
        def late(*arguments: object) -> Any:
            time.sleep(0.6)  # as on a small board
            return work(*arguments)

        return late

    monkeypatch.setattr("edge.sensor.bundle_for_run", slowly(bundle_for_run))
    monkeypatch.setattr(Supervisor, "stop", slowly(Supervisor.stop))

    async def tick() -> None:
        while True:
            began_s = time.monotonic()
            await asyncio.sleep(0.005)
            gaps_s.append(time.monotonic() - began_s)

    async def program() -> list[Reading]:
        ticker = asyncio.create_task(tick())
        await asyncio.sleep(0.02)
        readings = []
        async with quick(str(CLIP), "nobody's", VOSK_TINY_EN) as sensor:
            async for reading in sensor:
                readings.append(reading)
                if len(readings) == 6:
                    break
        assert not children()
        await asyncio.sleep(0.02)
        ticker.cancel()
        return readings

    assert numbers(asyncio.run(program())) == list(range(6))
    assert max(gaps_s) < 0.4
    assert_back_at(before)


def test_a_task_may_be_cancelled_while_it_opens_and_while_it_waits(quick: Quick) -> None:
    before = at_rest()

    async def program() -> list[Reading]:
        readings: list[Reading] = []

        async def watch(sensor: Sensor) -> None:
            async with sensor:
                async for reading in sensor:
                    readings.append(reading)

        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(watch(quick(str(CLIP))), 0.005)
        assert not readings and not children()
        async with quick() as sensor:
            with pytest.raises(asyncio.TimeoutError):
                while len(readings) < 100:  # those that came while a busy machine opened it
                    readings.append(await asyncio.wait_for(sensor.__anext__(), 0.03))
            readings.append(await sensor.__anext__())  # the one that was waited for is not lost
            ended = asyncio.create_task(asyncio.to_thread(sensor.close))
            readings += [reading async for reading in sensor]
            await ended
        return readings

    readings = asyncio.run(program())
    assert numbers(readings) == list(range(len(readings)))
    assert_back_at(before)
