"""Two thousand release files that must be refused: each is, with a reason, and nothing is left of it."""

import os
import random
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.bundle import open_bundle
from edge.errors import M3erError
from edge.memory import MOST_EVER, resident_mb
from edge.update.archive import ReleaseArchive
from edge.update.slots import Slots
from tests.damaged_releases import DAMAGES, Base, Damage
from tests.made_release import Maker, put_in, tiny_bundle

LONG = os.environ.get("LONG_TESTS") == "1"
EACH = 69 if LONG else 10
"""Of each kind of damage: 2,001 in all, or 290."""
MOST_S, MOST_MB = 10.0, 64.0


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    folder = tmp_path_factory.mktemp("base")
    maker, stranger = Maker(folder / "maker"), Maker(folder / "stranger")
    one, two = (tiny_bundle(folder / name, seed) for seed, name in enumerate(("one", "two")))
    return Base(maker.release(one, 4), maker.release(two, 5), maker, stranger, folder / "scratch.m3er")


@pytest.fixture(scope="module")
def slots(base: Base, tmp_path_factory: pytest.TempPathFactory) -> Slots:
    """A device with version 3."""
    slots = Slots(tmp_path_factory.mktemp("device"))
    three = tiny_bundle(base.scratch.with_name("three"), 3)
    put_in(base.maker.release(three, 3), slots, base.maker.keys)
    return slots


def all_in(slots: Slots) -> list[tuple[str, bytes]]:
    """Every file and what is in it."""
    return [(str(p), p.read_bytes()) for p in sorted(slots.state.rglob("*")) if p.is_file()]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__.strip("_"))
def test_it_is_refused_with_a_reason_and_leaves_nothing(
    damage: Damage, base: Base, slots: Slots, tmp_path: Path
) -> None:
    rng, release = random.Random(DAMAGES.index(damage)), tmp_path / "r.m3er"
    before, mark = all_in(slots), slots.mark()
    for number in range(EACH):
        release.write_bytes(damage(base, rng))
        began_s, began_mb = time.monotonic(), resident_mb(MOST_EVER)
        try:
            put_in(release, slots, base.maker.keys, board="generic-x86")
        except M3erError as error:
            said = str(error)
        else:
            raise AssertionError(f"number {number} was installed")
        assert time.monotonic() - began_s < MOST_S
        assert resident_mb(MOST_EVER) - began_mb < MOST_MB
        assert "\n" not in said and len(said) < 1000, said
        assert said.startswith(str(release)), said
    assert slots.mark() == mark and all_in(slots) == before
    open_bundle(slots.bundle(slots.current()))


def test_the_undamaged_one_would_have_been_installed(base: Base, tmp_path: Path) -> None:
    """Or all the refusals above would mean nothing."""
    slots = Slots(tmp_path)
    for release in (base.good, base.other):
        assert put_in(release, slots, base.maker.keys, board="generic-x86").changed
    rebuilt = tmp_path / "rebuilt.m3er"
    rebuilt.write_bytes(base.packed(base.files()))
    assert rebuilt.read_bytes() == base.good.read_bytes()


@given(content=st.binary(max_size=300), zip_like=st.booleans())
def test_any_bytes_are_no_release(content: bytes, zip_like: bool, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.m3er"
    path.write_bytes(b"PK\3\4" + content if zip_like else content)
    with pytest.raises(M3erError, match="not a release file"):
        ReleaseArchive(path)


def test_what_is_no_file_is_no_release(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(M3erError, match="cannot be read"):
            ReleaseArchive(path)
