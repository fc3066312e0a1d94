"""The processor's heat, from made trees of /sys as boards have them."""

import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.heat import Heat, read_heat, throttle_bits, throttle_reasons

THROTTLED = "sys/devices/platform/soc/soc:firmware/get_throttled"


def put(root: Path, path: str, content: str | bytes) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)


def put_zone(root: Path, number: int, kind: str, temperature: str | None, *trips: tuple[str, int]) -> None:
    """A zone; one whose temperature is None cannot be read."""
    zone = f"sys/class/thermal/thermal_zone{number}"
    put(root, f"{zone}/type", kind + "\n")
    if temperature is None:
        (root / zone / "temp").mkdir()
    else:
        put(root, f"{zone}/temp", temperature + "\n")
    for index, (trip_kind, trip) in enumerate(trips):
        put(root, f"{zone}/trip_point_{index}_type", trip_kind + "\n")
        put(root, f"{zone}/trip_point_{index}_temp", f"{trip}\n")


@pytest.mark.parametrize(
    ("bits", "why"),
    [
        ("0", None),
        ("50000", None),  # it was so, it is so no more
        ("50005", "under-voltage, throttled"),
        ("80008", "soft temperature limit"),
        ("e0002", "clock capped"),
    ],
)
def test_a_raspberry_pi_says_why(tmp_path: Path, bits: str, why: str | None) -> None:
    put_zone(tmp_path, 0, "cpu-thermal", "61835", ("critical", 110_000))
    put(tmp_path, THROTTLED, bits + "\n")
    assert read_heat(tmp_path) == Heat(61.835, why is not None, why)


def test_a_jetson_is_throttled_at_its_lowest_passive_trip(tmp_path: Path) -> None:
    """Its PMIC always says 100 °C, units that sleep cannot be read, and fans have trips of their own."""
    put_zone(tmp_path, 0, "cpu-thermal", "84500", ("critical", 104_500), ("passive", 99_000), ("active", 50_000))
    put_zone(tmp_path, 1, "cv0-thermal", None)
    put_zone(tmp_path, 2, "PMIC-Die", "100000", ("passive", 70_000))
    put_zone(tmp_path, 3, "soc0-thermal", None, ("passive", 40_000))
    put_zone(tmp_path, 10, "tj-thermal", "85100")
    assert read_heat(tmp_path) == Heat(85.1, False, None)
    put(tmp_path, "sys/class/thermal/thermal_zone0/temp", "99000\n")
    assert read_heat(tmp_path) == Heat(99.0, True, "cpu-thermal at its limit of 99 °C")


def test_a_pc_has_trips_that_mean_nothing(tmp_path: Path) -> None:
    put_zone(tmp_path, 0, "acpitz", "27800", ("passive", 20_000))
    put_zone(tmp_path, 1, "iwlwifi_1", "91000")
    put_zone(tmp_path, 2, "x86_pkg_temp", "54000", ("passive", 0), ("passive", -274_000))
    assert read_heat(tmp_path) == Heat(54.0, False, None)


def test_where_only_acpi_tells_it_counts(tmp_path: Path) -> None:
    put_zone(tmp_path, 0, "acpitz", "47000", ("passive", 95_000))
    put_zone(tmp_path, 1, "BAT0", "60000")
    assert read_heat(tmp_path) == Heat(47.0, False, None)


def test_the_firmware_knows_better_than_a_trip_point(tmp_path: Path) -> None:
    put_zone(tmp_path, 0, "cpu-thermal", "81000", ("passive", 75_000))
    put(tmp_path, THROTTLED, "0\n")
    assert not read_heat(tmp_path).throttled


def test_nothing_to_read(tmp_path: Path) -> None:
    assert read_heat(tmp_path) == Heat(None, False, None)
    put_zone(tmp_path / "absolute-zero", 0, "cpu-thermal", "-274000")
    assert read_heat(tmp_path / "absolute-zero").temperature_c is None


def test_this_machine() -> None:
    temperature_c = read_heat().temperature_c
    assert temperature_c is None or 0 < temperature_c < 120


@settings(max_examples=150, deadline=None)
@given(*[st.one_of(st.binary(max_size=80), st.from_regex(rb"-?[0-9]{1,30}\n?|0x[0-9a-f]*"))] * 5)
def test_garbage_never_raises(kind: bytes, temperature: bytes, trip_kind: bytes, trip: bytes, bits: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for number, zone_kind in enumerate((kind, b"cpu-thermal")):
            zone = f"sys/class/thermal/thermal_zone{number}"
            put(root, f"{zone}/type", zone_kind)
            put(root, f"{zone}/temp", temperature)
            put(root, f"{zone}/trip_point_0_type", trip_kind if number else b"passive")
            put(root, f"{zone}/trip_point_0_temp", trip)
        put(root, THROTTLED, bits)
        heat = read_heat(root)
    assert heat.temperature_c is None or -40 < heat.temperature_c < 150
    assert heat.throttled == (heat.why is not None)


def test_it_is_cheap_enough_for_the_live_loop(tmp_path: Path) -> None:
    """With the zones of a laptop: most of their files are read once."""
    for number in range(12):
        put_zone(tmp_path, number, f"cpu{number}-thermal", "50000", *[("passive", 90_000)] * 10)
    put(tmp_path, THROTTLED, "0\n")
    read_heat(tmp_path)
    took_s = []
    for _ in range(50):
        begin_s = time.perf_counter()
        read_heat(tmp_path)
        took_s.append(time.perf_counter() - begin_s)
    assert min(took_s) < 0.0005


def test_what_vcgencmd_says() -> None:
    bits = throttle_bits("throttled=0x50005\n")
    assert bits == 0x50005
    assert throttle_reasons(bits) == (["under-voltage", "throttled"], ["under-voltage", "throttled"])
    for garbage in ("", "VCHI initialization failed", "throttled=", "0x", "error=1 throttled=0x0"):
        assert throttle_bits(garbage) is None
