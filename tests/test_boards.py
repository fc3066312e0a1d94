"""The boards that come with the program: whole, honest about where they were tried, and recognised."""

import platform
import re
import tempfile
from pathlib import Path

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from edge.board import BOARDS, known_boards, read_board
from edge.errors import M3erError
from edge.models import VOSK_TINY_EN
from edge.settings.detect import detect
from edge.settings.layers import merge_settings

NAMES = {
    "raspberry-pi-4",
    "raspberry-pi-5",
    "raspberry-pi-zero-2w",
    "jetson-nano",
    "jetson-orin-nano",
    "generic-x86",
}
# As the boards' kernels give them.
TREES = {
    "raspberry-pi-4": ("raspberrypi,4-model-b\0brcm,bcm2711\0", "Raspberry Pi 4 Model B Rev 1.4\0"),
    "raspberry-pi-5": ("raspberrypi,5-model-b\0brcm,bcm2712\0", "Raspberry Pi 5 Model B Rev 1.0\0"),
    "raspberry-pi-zero-2w": ("raspberrypi,model-zero-2-w\0brcm,bcm2837\0", "Raspberry Pi Zero 2 W Rev 1.0\0"),
    "jetson-nano": (
        "nvidia,p3449-0000-b00+p3448-0000-b00\0nvidia,jetson-nano\0nvidia,tegra210\0",
        "NVIDIA Jetson Nano Developer Kit\0",
    ),
    "jetson-orin-nano": (
        "nvidia,p3768-0000+p3767-0005-super\0nvidia,p3767-0005\0nvidia,tegra234\0",
        "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super\0",
    ),
}
_EXAMPLE = re.compile(r"^#   (\w+ = .+)$", re.MULTILINE)


def plant(root: Path, compatible: str, model: str = "", tree: str = "proc/device-tree") -> Path:
    """A device tree under `root`."""
    (root / tree).mkdir(parents=True)
    (root / tree / "compatible").write_text(compatible)
    if model:
        (root / tree / "model").write_text(model)
    return root


def test_these_boards_come_with_the_program() -> None:
    assert set(known_boards()) == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_boards_settings_are_whole_and_recognised(name: str) -> None:
    board = read_board(name)
    assert board.compatible
    merged = merge_settings(environment={"M3ER_SETTINGS": "/dev/null", "M3ER_BOARD": name})
    assert merged.board == name
    assert merged.settings.nets == board.nets


@pytest.mark.parametrize("name", sorted(NAMES))
def test_what_a_board_gives_as_an_example_is_valid(name: str, tmp_path: Path) -> None:
    """Each commented setting, in the table that it stands in, one at a time."""
    text = (BOARDS / f"{name}.toml").read_text(encoding="utf-8")
    examples = list(_EXAMPLE.finditer(text))
    assert len(examples) >= (0 if name == "generic-x86" else 5)
    for example in examples:
        table = re.findall(r"^\[(.+)\]$", text[: example.start()], re.MULTILINE)[-1].split(".")
        document = tomlkit.parse(text)
        part = document
        for step in table:
            part = part[step]
        part.update(tomlkit.parse(example[1]))
        path = tmp_path / "tried.toml"
        path.write_text(tomlkit.dumps(document), encoding="utf-8")
        read_board(str(path))


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_board_says_where_it_was_tried(name: str) -> None:
    text = (BOARDS / f"{name}.toml").read_text(encoding="utf-8")
    assert ("Never run on this board by us" in text) == ("# Measured:" not in text)


def test_nothing_is_compatible_with_two_boards() -> None:
    listed = [one for name in NAMES for one in read_board(name).compatible]
    assert len(listed) == len(set(listed))


def test_a_board_without_memory_for_more_hears_with_the_small_model() -> None:
    assert read_board("raspberry-pi-zero-2w").speech.model == VOSK_TINY_EN.name


@pytest.mark.parametrize("tree", ["proc/device-tree", "sys/firmware/devicetree/base"])
@pytest.mark.parametrize("name", sorted(TREES))
def test_a_board_is_recognised_by_its_device_tree(name: str, tree: str, tmp_path: Path) -> None:
    compatible, model = TREES[name]
    found = detect(plant(tmp_path, compatible, model, tree), "aarch64")
    assert found.board == name
    assert model.rstrip("\0") in found.by and f"/{tree}/compatible" in found.by


def test_a_pc_is_recognised_by_its_processor(tmp_path: Path) -> None:
    assert detect(tmp_path, "x86_64").board == "generic-x86"


@pytest.mark.parametrize(
    ("compatible", "machine"),
    [("raspberrypi,3-model-b\0brcm,bcm2837\0", "aarch64"), ("linux,dummy-virt\0", "x86_64"), ("", "riscv64")],
)
def test_another_board_runs_with_the_defaults_and_is_named(compatible: str, machine: str, tmp_path: Path) -> None:
    found = detect(plant(tmp_path, compatible), machine)
    assert found.board is None
    assert (compatible.split("\0")[0] or machine) in found.by and "defaults" in found.by
    if machine == platform.machine():
        merged = merge_settings(environment={"M3ER_SETTINGS": "/dev/null"}, root=tmp_path)
        assert (merged.board, merged.settings.nets) == ("", {})


@given(st.binary(max_size=200))
def test_a_device_tree_of_anything_stops_nothing(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        root = plant(Path(scratch), "")
        (root / "proc/device-tree/compatible").write_bytes(content)
        (root / "proc/device-tree/model").write_bytes(content)
        assert detect(root, "aarch64").by.isprintable()


def test_the_most_particular_name_wins_and_a_broken_profile_stops_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    boards = tmp_path / "boards"
    boards.mkdir()
    (boards / "soc.toml").write_text('compatible = ["brcm,bcm2711"]')
    (boards / "mine.toml").write_text('compatible = ["raspberrypi,4-model-b"]')
    (boards / "broken.toml").write_text("[")
    (boards / "odd.toml").write_text("compatible = 3")
    root = plant(tmp_path, TREES["raspberry-pi-4"][0])
    assert detect(root, "aarch64", boards).board == "mine"
    assert "broken.toml:1" in caplog.text


def test_a_detected_boards_mistake_is_said_with_its_line(tmp_path: Path) -> None:
    profile = tmp_path / "mine.toml"
    profile.write_text('compatible = ["x"]\n[pace]\nframe_rate_hz = 99\n')
    with pytest.raises(M3erError, match=r"mine\.toml:3: pace\.frame_rate_hz: is 99"):
        merge_settings(environment={"M3ER_SETTINGS": "/dev/null", "M3ER_BOARD": str(profile)})
