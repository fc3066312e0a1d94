"""Each command without ``--bundle``, and the Sensor, use the installed bundle, and say where they cannot know it."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path

import pytest

from edge import Sensor
from edge.bench import bench
from edge.bundle import DEFAULT, open_bundle
from edge.cli import main
from edge.doctor import doctor
from edge.doctor.checks import Finding
from edge.doctor.checks_releases import check_releases
from edge.live_runtime import bundle_for_run
from edge.selftest import selftest
from edge.settings.layers import merge_settings
from edge.update.slots import Slots, bundle_in_use
from edge.update.standing import confirm, give_up, in_use
from tests.made_release import Maker, put_in, tiny_bundle
from tests.soak.scene import CLIP
from tests.test_capture_devices import as_nobody


class Asked(Exception):
    """What a command was about to look at."""


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    folder = tmp_path_factory.mktemp("maker")
    maker = Maker(folder / "releases")
    for version in (1, 2):
        maker.release(tiny_bundle(folder / str(version), version), version, name=f"{version}.m3er")
    return maker


@pytest.fixture
def slots(tmp_path: Path, maker: Maker, monkeypatch: pytest.MonkeyPatch) -> Slots:
    """A device with version 1, which has proved itself."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    slots = Slots(tmp_path / "state")
    put_in(maker.folder / "1.m3er", slots, maker.keys)
    confirm(slots, in_use(slots, "a"))
    return slots


@pytest.mark.parametrize("command", ["doctor", "bench", "selftest"])
def test_a_command_looks_at_the_installed_bundle(
    command: str, slots: Slots, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def looked(folder: Path, *_: object) -> Sequence[Finding]:
        raise Asked(folder)

    monkeypatch.setattr(doctor, "examine", looked)
    monkeypatch.setattr(selftest, "examine", looked)
    monkeypatch.setattr(bench, "measure", looked)
    with pytest.raises(Asked) as asked:
        main([command])
    assert asked.value.args[0] == slots.bundle("a")
    with pytest.raises(Asked) as asked:
        main([command, "--bundle", str(DEFAULT)])
    assert asked.value.args[0] == DEFAULT


def test_a_file_and_the_sensor_are_run_with_it(slots: Slots, maker: Maker, tmp_path: Path) -> None:
    wanted = open_bundle(slots.bundle("a")).id
    assert main(["run", "--input", str(CLIP), "--stt-model", "none", "--jsonl", str(tmp_path / "readings.jsonl")]) == 0
    assert json.loads((tmp_path / "readings.jsonl").read_text().splitlines()[-1])["bundle"] == wanted
    with Sensor(camera=None, microphone=None) as sensor:
        assert next(sensor).bundle == wanted
    with Sensor(camera=None, microphone=None, bundle=DEFAULT) as sensor:
        assert next(sensor).bundle == open_bundle(DEFAULT).id


def test_settings_are_those_of_the_installed_bundle(slots: Slots, capsys: pytest.CaptureFixture[str]) -> None:
    """It may lack the nets that a detected board's profile wants."""
    merged = merge_settings()
    if not merged.guessed:
        pytest.skip("no board detected here")
    assert main(["settings"]) == 0
    said = capsys.readouterr().out
    assert (
        "[nets." not in said and f"# nets.face: not as the board's profile wants it, which {slots.bundle('a')}" in said
    )
    assert main(["settings", "--bundle", str(DEFAULT)]) == 0
    assert "[nets.face]" in capsys.readouterr().out


def test_the_doctor_says_how_releases_stand(slots: Slots, maker: Maker, tmp_path: Path) -> None:
    assert check_releases(Slots(tmp_path / "new")) == [
        Finding("releases", "ok", "in use: the bundle that comes with the program")
    ]
    assert check_releases(slots) == [Finding("releases", "ok", "in use: tiny 1, slot a")]
    put_in(maker.folder / "2.m3er", slots, maker.keys)
    (on_trial,) = check_releases(slots)
    assert on_trial.said == "in use: tiny 2, slot b, on trial, started 0 of 3 times"
    give_up(slots, in_use(slots, "b"), "a step failed")
    back, failed = check_releases(slots)
    assert back.said == "in use: tiny 1, slot a"
    assert (failed.state, failed.said) == ("warning", "tiny 2 in slot b was given up: a step failed")


def test_who_may_not_look_is_told_so(
    slots: Slots, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """The service's state is for it and root alone."""
    slots.state.chmod(0o700)
    with as_nobody(), caplog.at_level(logging.WARNING):
        assert bundle_in_use() == DEFAULT
        bundle, live_bundle = bundle_for_run(None, merge_settings())
        assert main(["bundle", "list"]) == 2
        (finding,) = check_releases(slots)
    assert bundle.folder == DEFAULT and live_bundle is not None
    warned = [r.message for r in caplog.records if "this user may not look there; run this with sudo" in r.message]
    assert len(warned) == 2 and all("the bundle that comes with the program is used" in line for line in warned)
    assert "this user may not look there; run this with sudo" in capsys.readouterr().err
    assert (finding.state, finding.do) == ("warning", "run this with sudo")
