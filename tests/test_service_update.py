"""Updates of the service as it is shipped, under Debian's real systemd: root installs, the confined service takes over.

What root makes must be readable to a user that is made for the run, whatever root's umask; and that user must be able
to fall back. How a release proves itself in two good minutes is in tests/test_update_trial.py, by a made clock.
"""

import shutil
from collections.abc import Iterator
from itertools import pairwise

import pytest

from edge.bundle import CARD, DEFAULT, open_bundle
from edge.reading import Reading
from edge.update.slots import Slots
from edge.update.standing import confirm, in_use
from tests.made_bundle import replace_file
from tests.made_release import Maker, hanging_bundle, poisoned_bundle, tiny_bundle
from tests.real import systemd
from tests.real.service import (
    CAMERA,
    PROGRAM,
    RUN,
    STATE,
    UNIT,
    change,
    clear,
    log,
    machine_with_service,
    main_pid,
    readings,
    start,
    until,
)
from tests.real.systemd import SystemdMachine
from tests.soak.judge import lost_or_repeated

pytestmark = pytest.mark.skipif(bool(systemd.missing()), reason=systemd.missing() or "-")

STICK = "/media/stick"
AS_NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")
FILM = f"{RUN} --mic none --camera {CAMERA}"


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """With 1.m3er; 8.m3er, whose steps fail; 9.m3er, which hangs; and 100.m3er, which is as the shipped bundle."""
    folder = tmp_path_factory.mktemp("maker")
    maker = Maker(folder / "releases")
    made = {"1": tiny_bundle(folder / "1", 1)}
    made["8"] = poisoned_bundle(made["1"], folder / "8")
    made["9"] = hanging_bundle(made["1"], folder / "9")
    made["100"] = shutil.copytree(DEFAULT, folder / "100")
    replace_file(made["100"], CARD, b"# The shipped bundle under another card\n")
    for version, bundle in made.items():
        maker.release(bundle, int(version), name=f"{version}.m3er")
    return maker


@pytest.fixture(scope="module")
def booted(maker: Maker) -> Iterator[SystemdMachine]:
    with machine_with_service() as machine:
        machine.bind(maker.folder, STICK)
        machine.run("mkdir", "-p", "/etc/m3er-edge")
        machine.run("cp", "-r", f"{STICK}/keys", "/etc/m3er-edge/keys")
        yield machine


@pytest.fixture
def machine(booted: SystemdMachine) -> Iterator[SystemdMachine]:
    """Its service has never run."""
    yield booted
    clear(booted)


def bundle(machine: SystemdMachine, *arguments: str) -> str:
    """``m3er-edge bundle …`` by a root that gives nothing away: what it says."""
    return machine.run("sh", "-c", f"umask 077 && exec {PROGRAM} bundle {' '.join(arguments)}")


def install(machine: SystemdMachine, version: str) -> None:
    assert "on trial" in bundle(machine, "install", f"{STICK}/{version}.m3er")


def install_proven(machine: SystemdMachine, version: str) -> None:
    install(machine, version)
    slots = Slots(machine.path("/var/lib/m3er-edge"))
    confirm(slots, in_use(slots, slots.current()))


def id_of(maker: Maker, version: str) -> str:
    """As it stands in readings."""
    return open_bundle(maker.folder.parent / version).id


def until_used(machine: SystemdMachine, wanted: str) -> list[Reading]:
    """All readings, when the last is of this bundle."""

    def used() -> bool:
        return [reading.bundle for reading in readings(machine)][-1:] == [wanted]

    until(used, f"{wanted} is not used: {log(machine)}")
    return readings(machine)


def says(machine: SystemdMachine) -> str:
    return machine.show(UNIT, "StatusText")


def test_root_installs_and_the_service_takes_over_without_a_restart(machine: SystemdMachine, maker: Maker) -> None:
    """From the bundle that comes with the program, and back by hand."""
    shipped, later = open_bundle(DEFAULT).id, id_of(maker, "100")
    change(machine, FILM)
    start(machine)
    until_used(machine, shipped)
    pid = main_pid(machine)
    install(machine, "100")
    until_used(machine, later)
    until(lambda: says(machine).endswith("default 100 is on trial"), f"status: {says(machine)}")
    assert "current, on trial, started 1 of 3 times" in bundle(machine, "list")
    bundle(machine, "rollback")
    made = until_used(machine, shipped)
    assert [after for before, after in pairwise(r.bundle for r in made) if before != after] == [later, shipped]
    assert lost_or_repeated(made) == 0
    assert (main_pid(machine), machine.show(UNIT, "NRestarts")) == (pid, "0")
    until(lambda: "on trial" not in says(machine), f"status: {says(machine)}")
    assert "run this with sudo" in machine.run(*AS_NOBODY, PROGRAM, "bundle", "list", check=False)
    # The service owns what it must change, and nobody else on the machine can look into it.
    owners = machine.run("stat", "-c", "%U", f"{STATE}/bundles", f"{STATE}/bundles/slots/a/release.json").split()
    assert owners == ["m3er-edge", "root"]


def test_what_was_installed_before_the_first_start_is_used_and_fallen_back_to(
    machine: SystemdMachine, maker: Maker
) -> None:
    install_proven(machine, "1")
    assert not machine.path("/var/lib/m3er-edge").is_symlink()  # systemd has not seen it yet
    change(machine, FILM)
    start(machine)
    until_used(machine, id_of(maker, "1"))
    pid = main_pid(machine)
    install(machine, "8")
    until(lambda: "tiny 8 was given up: a step failed" in says(machine), f"it does not fall back: {log(machine)}")
    made = until_used(machine, id_of(maker, "1"))
    assert lost_or_repeated(made) == 0
    assert (main_pid(machine), machine.show(UNIT, "NRestarts")) == (pid, "0")
    until(lambda: "failed: a step failed" in bundle(machine, "list"), "not noted on the disk")
    assert bundle(machine, "list").splitlines()[1].endswith("current")


def test_a_release_that_hangs_at_every_start_is_given_up_after_three(machine: SystemdMachine, maker: Maker) -> None:
    """Systemd's watchdog ends each of them."""
    install_proven(machine, "1")
    change(machine, FILM, "WatchdogSec=2", "TimeoutStartSec=6", "RestartSec=100ms")
    start(machine)
    until_used(machine, id_of(maker, "1"))
    install(machine, "9")
    until(lambda: machine.show(UNIT, "NRestarts") == "3", f"not started again: {log(machine)}", 60)
    until_used(machine, id_of(maker, "1"))
    why = "started 3 times, and never ran for two minutes"
    until(lambda: f"tiny 9 was given up: {why}" in says(machine), f"status: {says(machine)}")
    assert f"failed: {why}" in bundle(machine, "list")
