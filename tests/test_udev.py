"""The udev rules name a USB camera and a USB microphone, and nothing else."""

from pathlib import Path

import pytest

from tests.real import udev

pytestmark = pytest.mark.skipif(bool(udev.missing()), reason=udev.missing() or "-")

RULES = Path(__file__).parent.parent / "firmware_configs" / "udev" / "79-m3er-edge.rules"


def is_camera(node: str, capabilities: str = ":capture:") -> bool:
    return "/dev/m3er-camera" in udev.names(RULES, node, capabilities)


def test_a_usb_camera_has_its_name() -> None:
    assert is_camera(udev.CAMERA)
    assert is_camera(udev.CAMERA, ":capture:video_output:")


def test_what_gives_no_pictures_or_is_no_camera_has_not() -> None:
    assert not is_camera(udev.CAMERA, ":video_output:")
    assert not is_camera(udev.METADATA)
    assert not is_camera(udev.DECODER)
    assert not is_camera(udev.MICROPHONE)


def test_a_usb_microphone_names_its_card_and_a_loudspeaker_does_not() -> None:
    assert "card m3er" in udev.names(RULES, udev.MICROPHONE)
    assert "card m3er" not in udev.names(RULES, udev.SPEAKER)
    assert "card m3er" not in udev.names(RULES, udev.CAMERA)


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("SYMLINK+=", "SYMLINKS+="),
        ('GOTO="m3er_end"', 'GOTO="end"'),
        ("ENV{ID_BUS}==", "ENV{ID_BUS}~="),
        ('-camera"', "-"),
    ],
)
def test_a_rule_that_udev_does_not_understand_is_noticed(tmp_path: Path, good: str, bad: str) -> None:
    broken = tmp_path / RULES.name
    broken.write_text(RULES.read_text(encoding="utf-8").replace(good, bad), encoding="utf-8")
    with pytest.raises(AssertionError, match=RULES.name):
        udev.names(broken, udev.CAMERA)
