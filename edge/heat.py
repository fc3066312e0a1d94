"""How hot the processor is, and whether the board slows it down for that or for want of power.

Cheap enough for the live loop, as it only reads a few small files of /sys; never raises.
"""

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

# Raspberry Pi OS: hexadecimal without 0x. The kernel keeps the value and asks the firmware every two seconds, so
# reading is free; the first read after a boot leaves a warning "deprecated" in the kernel's log, which is harmless.
_THROTTLED = Path("sys/devices/platform/soc/soc:firmware/get_throttled")
_ZONES = Path("sys/class/thermal")
_BITS = {
    0: "under-voltage",
    1: "clock capped",
    2: "throttled",
    3: "soft temperature limit",
}
_SINCE_BOOT = 16
"""The same bits, so much higher, say that it has happened since the board started."""
_OF_CPU = re.compile(r"cpu|soc|pkg|tj|core|cluster", re.IGNORECASE)
"""Zones of the processor, by their type. Others are batteries, radios, or a PMIC that always says 100 °C (Jetson)."""
_ACPI = "acpitz"
_LEAST_TRIP_C = 30.0
"""x86 lists passive trip points of 0 °C for the user to set."""
_LEAST_C, _MOST_C = -40.0, 150.0
"""Sensors that are switched off say 0 K, or anything."""


@dataclass(frozen=True)
class Heat:
    """The processor's heat.

    Attributes:
        temperature_c: of the hottest sensor of the processor; None where there is none.
        throttled: it is slowed down at this moment.
        why: what for, e.g. ``under-voltage``; None while it is not throttled.
    """

    temperature_c: float | None
    throttled: bool
    why: str | None


@dataclass(frozen=True)
class _Zone:
    name: str
    temperature: str
    passive_trip_c: float | None


def read_heat(root: Path = Path("/")) -> Heat:
    """The heat of this moment. Takes some tens of microseconds; what cannot be read is left out.

    Args:
        root: where ``sys`` is; another than ``/`` for tests.
    """
    hottest_c, why = None, []
    for zone in _zones(root):
        temperature_c = _celsius(zone.temperature)
        if temperature_c is None:
            continue
        hottest_c = temperature_c if hottest_c is None else max(hottest_c, temperature_c)
        if zone.passive_trip_c is not None and temperature_c >= zone.passive_trip_c:
            why.append(f"{zone.name} at its limit of {zone.passive_trip_c:.0f} °C")
    bits = throttle_bits(_text(str(root / _THROTTLED)))
    if bits is not None:  # the firmware knows better than a trip point
        why = throttle_reasons(bits)[0]
    return Heat(hottest_c, bool(why), ", ".join(why) or None)


def throttle_bits(text: str) -> int | None:
    """The firmware's bits, from its file (``50005``) or from ``vcgencmd get_throttled`` (``throttled=0x50005``)."""
    found = re.fullmatch(r"(?:throttled=)?(?:0x)?([0-9a-fA-F]{1,8})\s*", text, re.ASCII)
    return int(found[1], 16) if found else None


def throttle_reasons(bits: int) -> tuple[list[str], list[str]]:
    """What the bits mean: what slows the processor down now, and what has since the board started."""
    now = [reason for bit, reason in _BITS.items() if bits >> bit & 1]
    since_boot = [reason for bit, reason in _BITS.items() if bits >> bit + _SINCE_BOOT & 1]
    return now, since_boot


@lru_cache(maxsize=4)
def _zones(root: Path) -> tuple[_Zone, ...]:
    """The processor's zones. Kept: a PC has hundreds of trip points, and neither they nor the zones change."""
    folder = str(root / _ZONES)
    try:
        names = sorted(name for name in os.listdir(folder) if name.startswith("thermal_zone"))  # noqa: PTH208
    except OSError:
        return ()
    zones = []
    for name in names:
        kind = _text(f"{folder}/{name}/type").strip() or name
        zones.append(_Zone(kind, f"{folder}/{name}/temp", _lowest_passive_trip_c(f"{folder}/{name}")))
    for wanted in (_OF_CPU.search, _ACPI.__eq__):
        chosen = tuple(zone for zone in zones if wanted(zone.name))
        if any(_celsius(zone.temperature) is not None for zone in chosen):
            return chosen
    return tuple(zones)


def _lowest_passive_trip_c(zone: str) -> float | None:
    try:
        kinds = [name for name in os.listdir(zone) if re.fullmatch(r"trip_point_\d+_type", name)]  # noqa: PTH208
    except OSError:
        return None
    trips_c = [
        trip_c
        for name in kinds
        if _text(f"{zone}/{name}").strip() == "passive"
        and (trip_c := _celsius(f"{zone}/{name.removesuffix('type')}temp")) is not None
        and trip_c > _LEAST_TRIP_C
    ]
    return min(trips_c, default=None)


def _celsius(path: str) -> float | None:
    """A file of millidegrees; None where it cannot be read (a Jetson's idle units refuse) or cannot be true."""
    text = _text(path).strip()
    if not re.fullmatch(r"-?[0-9]{1,9}", text):
        return None
    temperature_c = int(text) / 1000
    return temperature_c if _LEAST_C < temperature_c < _MOST_C else None


def _text(path: str) -> str:
    """The beginning of a small file; nothing where it cannot be read."""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a third of the time of Path.read_text
            return file.read(64).decode("ascii", errors="replace")
    except OSError:
        return ""
