"""Whatever changes installed bundles is killed at each of its file operations; always a bundle works, old or new.

A program of its own, as it forks: ``python -m tests.power_cuts WORK MAKER EVERY``, in the environment that
:mod:`tests.real.file_operations` makes. Prints how many points were tried; a failed check is a traceback.
"""

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge.bundle import Bundle, open_bundle
from edge.settings.settings import Settings
from edge.update.install import install
from edge.update.rollback import roll_back
from edge.update.slots import Slots
from edge.update.standing import confirm, give_up, in_use, take_into_use
from tests.disk_model import Disk, Tree, write_tree
from tests.real.file_operations import FileOperations, Operation


def no_settings(bundle: Bundle) -> Settings:
    """Each net as its maker found best."""
    return Settings()


Work = Callable[[Slots], object]


class Device:
    """Installs from a folder with releases ``1.m3er`` to ``4.m3er`` and ``keys/``."""

    def __init__(self, maker: Path) -> None:
        self._maker = maker

    def install(self, version: int) -> Work:
        """Of a release."""
        path, keys = self._maker / f"{version}.m3er", self._maker / "keys"
        return lambda slots: install(path, slots, keys, "", no_settings, False, lambda _: None)


@dataclass(frozen=True)
class Scenario:
    """Something that may be cut short.

    Attributes:
        given: what happens before.
        cut: what is cut short.
        old, new: versions that may be in use after a cut, and that must be if there is none; 0 is the shipped one.
    """

    name: str
    given: tuple[Work, ...]
    cut: Work
    old: frozenset[int]
    new: int


def trust(slots: Slots) -> None:
    """Two good minutes have passed."""
    confirm(slots, in_use(slots, slots.current()))


def fail(slots: Slots) -> None:
    """A step has failed."""
    give_up(slots, in_use(slots, slots.current()), "a step failed")


def left_over(slots: Slots) -> None:
    """Of an installer that was killed."""
    for name in ("staging", "trash"):
        shutil.copytree(slots.slots / "a", slots.slots / name)
        (slots.slots / name / "release.json").write_bytes(b"")


def scenarios(device: Device) -> list[Scenario]:
    """All ways in which what is in use may change."""
    first, second = (device.install(1), trust), (device.install(1), trust, device.install(2))
    return [
        Scenario("first", (), device.install(1), frozenset({0}), 1),
        Scenario("next", first, device.install(2), frozenset({1}), 2),
        Scenario("after left-overs", (*first, left_over), device.install(2), frozenset({1}), 2),
        Scenario("third", (*second, trust), device.install(3), frozenset({2}), 3),
        Scenario("in place of a trial", second, device.install(3), frozenset({1, 2}), 3),
        Scenario("back from a trial", second, lambda slots: roll_back(slots, no_settings), frozenset({2}), 1),
        Scenario("back", (*second, trust), lambda slots: roll_back(slots, no_settings), frozenset({2}), 1),
        Scenario("given up", second, fail, frozenset({2}), 1),
        Scenario("started", second, take_into_use, frozenset({2}), 2),
        Scenario("confirmed", second, trust, frozenset({2}), 2),
    ]


def version(slots: Slots) -> int:
    """What is in use, and that it is whole."""
    slot = slots.current()
    open_bundle(slots.bundle(slot))
    there = slots.installed(slot)
    assert slot is None or there is not None
    return 0 if there is None else there.release.version


def check(state: Path, scenario: Scenario, device: Device, versions: frozenset[int], and_then: bool) -> None:
    """A bundle works, also for a run that starts now, and the next installation succeeds."""
    slots = Slots(state)
    assert version(slots) in versions, (scenario.name, version(slots), versions)
    if and_then:
        device.install(4)(slots)
        assert version(slots) == 4
        left = {path.name for path in slots.slots.iterdir()} - {"a", "b", "lock"}
        assert not left, (scenario.name, left)
    use = take_into_use(slots)
    open_bundle(use.folder)


def count(scenario: Scenario, given: Path, work: Path, operations: FileOperations, device: Device) -> int:
    """How many operations it takes; on the way, what a power cut would leave at each of them must work."""
    state = Path(shutil.copytree(given, work / "cut", symlinks=True))
    disk, numbers = Disk(work), 0
    cuts: list[Tree] = []

    def hear(operation: Operation) -> None:
        nonlocal numbers
        numbers += 1
        cuts.extend(tree for tree in disk.after_a_cut() if tree not in cuts)
        disk.hear(operation)

    operations.hear(hear)
    scenario.cut(Slots(state))
    operations.hear(lambda operation: None)
    assert version(Slots(state)) == scenario.new
    shutil.rmtree(state)
    for number, tree in enumerate([*cuts, *disk.after_a_cut()]):
        write_tree(tree, work / "after")
        last = number >= len(cuts)  # what has been told to be done is done for good
        versions = frozenset({scenario.new}) if last else scenario.old | {scenario.new}
        if (work / "after" / "cut").is_dir():
            check(work / "after" / "cut", scenario, device, versions, and_then=False)
        else:
            assert 0 in versions
        shutil.rmtree(work / "after")
    print(f"{scenario.name}: {numbers} operations, {len(cuts)} states of the disk", flush=True)
    return numbers


def killed_at(number: int, scenario: Scenario, state: Path, operations: FileOperations) -> None:
    """In a process of its own, which is killed before this operation."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            operations.kill_at(number)
            scenario.cut(Slots(state))
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"{scenario.name}: was not killed at operation {number}"


def main(work: Path, maker: Path, every: int) -> None:
    """Try every so-manieth operation of each scenario."""
    device, points = Device(maker), 0
    for scenario in scenarios(device):
        given = work.with_name("given")
        given.mkdir()
        for before in scenario.given:
            before(Slots(given))
        operations = FileOperations(work)
        numbers = count(scenario, given, work, operations, device)
        for number in range(points % every, numbers, every):
            state = Path(shutil.copytree(given, work / "cut", symlinks=True))
            killed_at(number, scenario, state, operations)
            check(state, scenario, device, scenario.old | {scenario.new}, and_then=True)
            shutil.rmtree(state)
            points += 1
        shutil.rmtree(given)
    print(f"{points} points")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
