"""``m3er-edge settings``: what it prints can be read again, is true of a run, and is the same when installed."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from edge.cli import main
from edge.errors import M3erError
from edge.settings.layers import Layer, merge_settings
from edge.settings.reference import reference
from edge.settings.show import as_json, as_toml
from tests.made_settings import LEAVES, Key, nested, some, write_toml
from tests.soak.live_run import LiveRun

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "firmware_configs" / "README.md"


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["settings", *arguments]) == 0
    return capsys.readouterr().out


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(some([key for key in LEAVES if key[0] != "nets"]))
def test_what_is_printed_is_a_settings_file_that_says_the_same(tmp_path: Path, flat: dict[Key, Any]) -> None:
    environment = {"M3ER_SETTINGS": os.devnull, "M3ER_BOARD": "raspberry-pi-zero-2w"}
    first = merge_settings(Layer(nested(flat), lambda _key: "a test"), environment)
    path = tmp_path / "printed.toml"
    path.write_text(as_toml(first), encoding="utf-8")
    second = merge_settings(environment=environment | {"M3ER_SETTINGS": str(path)})
    assert second.settings == first.settings
    for key, one in json.loads(as_json(second))["settings"].items():
        if one["value"] is not None:
            assert one["from"].startswith(f"{path}:"), key


def test_it_says_what_is_set_and_by_what(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site.toml"
    write_toml(site, {"camera": {"width_px": 800}})
    monkeypatch.setenv("M3ER_SETTINGS", str(site))
    monkeypatch.setenv("M3ER_PACE__STEP_HOPS", "2")
    monkeypatch.setenv("M3ER_PAGE_TOKEN", "hush")
    monkeypatch.setenv("M3ER_PASE", "1")
    text = printed(capsys, "--board", "raspberry-pi-4", "--camera", "rtsp://robot:hush@camera/1", "--mic", "USB")
    lines = {line.partition(" ")[0]: line for line in text.splitlines()}
    assert text.startswith("# Board: raspberry-pi-4, --board\n# M3ER_PASE: no variable of ours")
    assert f"# {site}:2" in lines["width_px"] and "800" in lines["width_px"]
    assert lines["step_hops"].endswith("# M3ER_PACE__STEP_HOPS")
    assert 'source = "rtsp://robot:***@camera/1"' in text and "hush" not in text
    assert "# --mic" in text
    assert "raspberry-pi-4.toml:" in lines["max_active"]
    as_object = json.loads(printed(capsys, "--board", "raspberry-pi-4", "--json"))
    assert as_object["board"] == {"name": "raspberry-pi-4", "known_by": "--board"}
    assert as_object["settings"]["camera.width_px"] == {"value": 800, "from": f"{site}:2"}


def test_what_is_malformed_is_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site.toml"
    write_toml(site, {"pace": {"frame_rate_hz": 31}})
    monkeypatch.setenv("M3ER_SETTINGS", str(site))
    for command in (["settings"], ["run", "--camera", "none", "--mic", "none"]):
        assert main(command) == 2
        error = f"m3er-edge: {site}:2: pace.frame_rate_hz: is 31; allowed: a number from 1 to 30\n"
        assert capsys.readouterr().err == error


def test_a_live_run_does_what_it_says(tmp_path: Path) -> None:
    """Sources, pace, outputs and the log's form from a settings file alone, as a service starts it."""
    site, readings = tmp_path / "site.toml", tmp_path / "published.jsonl"
    write_toml(
        site,
        {
            "board": "raspberry-pi-zero-2w",
            "camera": {"source": "7"},
            "microphone": {"source": "none"},
            "pace": {"frame_rate_hz": 4.0},
            "output": {"publish": [f"jsonl:{readings}"], "log": "json"},
        },
    )
    with LiveRun(tmp_path, environment={"M3ER_SETTINGS": str(site)}) as run:
        made = run.wait_for_readings(3, 30)
    assert made[0].pace is not None and made[0].pace.frame_rate_hz == 4.0
    assert made[0].modalities["speech"].reason == "no microphone"
    assert made[-1].modalities["face"].reason == "camera not found"
    assert len(readings.read_text().splitlines()) >= 3
    lines = [json.loads(line)["message"] for line in run.log.splitlines()]
    assert f"board: raspberry-pi-zero-2w, {site}:1" in lines


def test_a_run_of_a_file_publishes_nothing_that_only_the_settings_name(tmp_path: Path) -> None:
    site, readings = tmp_path / "site.toml", tmp_path / "published.jsonl"
    write_toml(site, {"output": {"publish": [f"jsonl:{readings}"], "page": ":1"}})
    clip = ROOT / "edge" / "samples" / "clip.mp4"
    command = [sys.executable, "-m", "edge.cli", "run", "--input", str(clip), "--stt-model", "none"]
    environment = os.environ | {"M3ER_SETTINGS": str(site)}
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert not readings.exists()


def test_the_page_of_all_settings_is_of_this_program() -> None:
    assert reference() in PAGE.read_text(encoding="utf-8")


def test_boards_are_found_when_installed_from_a_wheel(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = [*pip, "wheel", str(ROOT), "--no-deps", "--wheel-dir", str(tmp_path)]
    built = subprocess.run(build, capture_output=True, text=True, check=False)
    if built.returncode and ("No matching distribution" in built.stderr or "Connection" in built.stderr):
        pytest.skip("hatchling cannot be had here")
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    home = tmp_path / "installed"
    subprocess.run([*pip, "install", "--no-deps", "--target", str(home), str(wheel)], check=True)
    done = subprocess.run(
        [sys.executable, "-m", "edge.cli", "settings", "--board", "raspberry-pi-5", "--json"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    origin = json.loads(done.stdout)["settings"]["speech.beam"]["from"]
    assert origin.startswith(str(home / "firmware_configs" / "boards" / "raspberry-pi-5.toml"))


def test_an_empty_name_of_a_board_is_refused() -> None:
    with pytest.raises(M3erError, match="--board: board: is ''"):
        merge_settings(Layer({"board": ""}, lambda _key: "--board"), {"M3ER_SETTINGS": os.devnull})
