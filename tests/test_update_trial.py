"""A release on trial: taken over between two steps, confirmed after two good minutes, or given up; by a made clock."""

import functools
import itertools
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.bundle import DEFAULT, Bundle, open_bundle
from edge.capture.media_file import MediaFile
from edge.capture.sample import Frame
from edge.m3er.check import Rule
from edge.method import Method
from edge.perceive.face_detector import open_detector
from edge.reading import Pace, Reading
from edge.runtime import Runtime
from edge.settings.settings import Settings
from edge.update.live_bundle import LiveBundle
from edge.update.slots import Slots
from edge.update.standing import confirm, give_up, in_use, take_into_use
from edge.update.trial import MOST_STARTS, TRIAL_S, Trial
from tests.made_release import Maker, no_settings, poisoned_bundle, put_in, tiny_bundle
from tests.soak.scene import CLIP

HOP_NS = 500_000_000
PACE = Pace(hop_s=0.5, frame_rate_hz=10.0)


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """With 1.m3er to 3.m3er, and bad.m3er, which is version 9."""
    folder = tmp_path_factory.mktemp("maker")
    maker = Maker(folder / "releases")
    for version in (1, 2, 3):
        maker.release(tiny_bundle(folder / str(version), version), version, name=f"{version}.m3er")
    maker.release(poisoned_bundle(folder / "1", folder / "bad"), 9, name="bad.m3er")
    return maker


class Device:
    """Slots, and a run whose clock only goes on by steps; a clip is in front of its camera."""

    def __init__(self, state: Path, maker: Maker) -> None:
        self.slots, self.maker = Slots(state), maker
        self.now_ns = 0
        self._clip: Iterator[Frame] = itertools.cycle(_pictures())

    def install(self, name: str) -> None:
        put_in(self.maker.folder / f"{name}.m3er", self.slots, self.maker.keys)

    def install_proven(self, name: str) -> None:
        self.install(name)
        confirm(self.slots, in_use(self.slots, self.slots.current()))

    def start(self) -> None:
        """The run, again."""
        self.live = LiveBundle(self.slots, no_settings)
        self.runtime = Runtime(self.live.method, open_detector(), None, began_ns=self.now_ns)

    def step(self) -> Reading:
        """Half a second of the clip, and a reading."""
        end_ns = self.now_ns + HOP_NS
        while self.now_ns < end_ns:
            self.now_ns += 100_000_000
            self.runtime.take(Frame(self.now_ns, next(self._clip).image))
        self.live.close()  # what goes on in a thread is done before the next step
        return self.live.step(self.runtime, self.now_ns, {}, PACE)

    def steps(self, seconds: float) -> list[Reading]:
        return [self.step() for _ in range(round(seconds / 0.5))]

    @property
    def version(self) -> int:
        """In use, on the disk; 0 is the shipped one."""
        there = self.slots.installed(self.slots.current())
        return 0 if there is None else there.release.version


@functools.cache
def _pictures() -> list[Frame]:
    """Seconds of the clip in which somebody looks into the camera, ten pictures a second."""
    pictures: list[Frame] = []
    with MediaFile(CLIP) as clip:
        for sample in clip.samples():
            if isinstance(sample, Frame) and sample.captured_ns >= len(pictures) * 100_000_000:
                pictures.append(sample)
            if sample.captured_ns > 7_000_000_000:
                return pictures
    raise AssertionError("a shorter clip than it was")


@pytest.fixture
def device(tmp_path: Path, maker: Maker) -> Device:
    return Device(tmp_path / "state", maker)


def bad_id(device: Device) -> str:
    """As it stands in the readings of the bad release."""
    return open_bundle(device.maker.folder.parent / "bad").id


def test_a_release_is_taken_over_between_two_steps_and_nothing_else_changes(device: Device) -> None:
    device.install_proven("1")
    device.start()
    before = device.steps(3)
    device.install("2")
    after = device.steps(4)
    ids = [reading.bundle for reading in (*before, *after)]
    assert len(set(ids)) == 2 and ids == sorted(ids, key=ids.index)
    assert ids.index(after[-1].bundle) - len(before) in (1, 2, 3), "within a second or so"
    assert [reading.sequence for reading in (*before, *after)] == list(range(len(ids)))
    assert all(reading.faces == 1 for reading in after), "the face that is followed is followed still"
    assert all(reading.modalities["face"].reason != "no picture" for reading in after)
    assert device.live.says == "tiny 2 is on trial"


def test_two_good_minutes_and_it_has_proved_itself(device: Device) -> None:
    device.install_proven("1")
    device.start()
    device.steps(2)
    device.install("2")
    device.steps(3)
    assert device.live.says == "tiny 2 is on trial"
    device.now_ns += round((TRIAL_S - 5) * 1e9)
    device.steps(1.5)
    assert device.slots.trial() is not None
    device.now_ns += round(5e9)
    device.steps(3)
    assert device.slots.trial() is None and device.version == 2 and device.live.says == ""
    assert device.slots.trusted() == "b"


def test_a_step_that_fails_is_made_with_the_bundle_before_and_the_release_is_given_up(device: Device) -> None:
    device.install_proven("1")
    device.start()
    good = device.steps(1)[0].bundle
    device.install("bad")
    readings = device.steps(8)
    assert {reading.bundle for reading in readings} in ({good}, {good, bad_id(device)}), "used until its first NaN"
    assert readings[-1].bundle == good
    assert [reading.sequence for reading in readings] == list(range(2, 18))
    assert all(reading.modalities["face"].reason != "no picture" for reading in readings), "no step lost its picture"
    assert device.version == 1
    trial = device.slots.trial()
    assert trial is not None and trial.failed is not None and "a step failed" in trial.failed
    assert "tiny 9 was given up: a step failed" in device.live.says
    device.start()
    assert device.step().bundle == good


def test_a_run_that_starts_with_a_bad_release_falls_back_as_well(device: Device) -> None:
    device.install_proven("1")
    device.install("bad")
    device.start()
    readings = device.steps(8)
    assert readings[-1].bundle != bad_id(device)
    assert device.version == 1 and readings[-1].sequence == 15


def test_where_the_bundle_before_has_other_labels_the_run_ends_and_the_next_has_it(device: Device) -> None:
    """The page and MQTT were told of the labels; the service manager starts it anew."""
    device.install("bad")
    device.start()
    with pytest.raises(ValueError, match="finite number"):
        device.steps(8)
    assert device.version == 0
    device.start()
    assert device.live.method.bundle.folder == DEFAULT


def test_other_labels_take_over_at_the_next_start(device: Device) -> None:
    device.start()
    shipped = device.step().bundle
    device.install("1")
    assert {reading.bundle for reading in device.steps(5)} == {shipped}
    assert device.live.says == "tiny 1 has other labels or another hop, and takes over at the next start"
    device.start()
    assert device.step().bundle != shipped and device.live.says == "tiny 1 is on trial"


def test_a_release_that_never_lasts_is_given_up_at_the_fourth_start(device: Device) -> None:
    device.install_proven("1")
    device.install("2")
    for start in range(MOST_STARTS):
        device.start()
        device.step()
        assert device.version == 2
        trial = device.slots.trial()
        assert trial is not None and trial.starts == start + 1
    device.start()
    assert device.version == 1
    trial = device.slots.trial()
    assert trial is not None and trial.failed is not None and "started 3 times" in trial.failed


def test_a_release_that_can_be_opened_no_more_is_given_up_at_the_start(device: Device) -> None:
    device.install_proven("1")
    device.install("2")
    (device.slots.bundle("b") / "tokens.txt").write_bytes(b"")
    device.start()
    assert device.version == 1 and "tokens.txt" in device.live.says


def test_a_proven_bundle_that_the_card_has_damaged_is_given_up_too(device: Device) -> None:
    for name in ("1", "2"):
        device.install_proven(name)
    (device.slots.bundle("b") / "tokens.txt").write_bytes(b"")
    device.start()
    assert device.version == 1
    (device.slots.bundle("a") / "tokens.txt").write_bytes(b"")
    device.start()
    assert device.version == 0 and device.live.method.bundle.folder == DEFAULT
    device.start()
    assert device.step()


def test_a_release_that_is_damaged_before_it_is_taken_over_is_not(device: Device) -> None:
    device.install_proven("1")
    device.start()
    good = device.step().bundle
    device.install("2")
    (device.slots.bundle("b") / "nets" / "face.onnx.fp32.onnx").write_bytes(b"")
    assert {reading.bundle for reading in device.steps(4)} == {good}
    assert device.version == 1 and "tiny 2 was given up" in device.live.says


def test_a_release_in_place_of_one_on_trial_falls_back_to_the_proven_one(device: Device) -> None:
    device.install_proven("1")
    device.start()
    good = device.step().bundle
    device.install("2")
    device.steps(3)
    device.install("bad")
    readings = device.steps(8)
    assert readings[-1].bundle == good and "tiny 9 was given up" in device.live.says
    assert device.version == 1


def test_back_by_hand_is_taken_over_too(device: Device) -> None:
    device.install_proven("1")
    device.start()
    good = device.step().bundle
    device.install("2")
    assert device.steps(4)[-1].bundle != good
    with device.slots.locked():
        device.slots.use("a")
    assert device.steps(4)[-1].bundle == good and device.live.says == ""


def test_a_trial_that_cannot_be_noted_is_not_begun(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a release that ends the process would do so for ever."""
    device.install_proven("1")
    device.start()
    good = device.step().bundle
    device.install("2")

    def read_only(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Slots, "record", read_only)
    assert {reading.bundle for reading in device.steps(4)} == {good}
    device.start()
    assert device.step().bundle == good
    assert device.version == 2, "nothing was changed"


def test_falling_back_is_written_as_soon_as_it_can_be(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    device.install_proven("1")
    device.start()
    good = device.step().bundle
    device.install("bad")
    full = [True]
    record = Slots.record

    def sometimes(self: Slots, trial: Trial | None) -> None:
        if full[0] and trial is not None and trial.failed:
            raise OSError(28, "No space left on device")
        record(self, trial)

    monkeypatch.setattr(Slots, "record", sometimes)
    readings = device.steps(8)
    assert readings[-1].bundle == good and device.version == 9
    full[0] = False
    device.steps(4)
    assert device.version == 1


def test_what_was_switched_meanwhile_is_not_given_up(device: Device) -> None:
    device.install_proven("1")
    device.install("2")
    used = take_into_use(device.slots)
    device.install("3")
    give_up(device.slots, used, "too late")
    assert device.version == 3
    trial = device.slots.trial()
    assert trial is not None and trial.failed is None


def test_no_step_waits_for_a_bundle_that_is_being_opened(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    device.install_proven("1")
    device.start()
    good = device.step().bundle
    device.install("2")
    made, go_on = Method.__init__, threading.Event()

    def waiting(self: Method, bundle: Bundle, rule: Rule, settings: Settings) -> None:
        go_on.wait(60)
        made(self, bundle, rule, settings)

    monkeypatch.setattr(Method, "__init__", waiting)
    with monkeypatch.context() as patch:
        patch.setattr(LiveBundle, "close", lambda self: None)
        assert {reading.bundle for reading in device.steps(4)} == {good}
        assert device.live.at_work
    go_on.set()
    assert device.steps(1)[-1].bundle != good and device.live.says == "tiny 2 is on trial"


def test_a_record_that_cannot_be_read_is_none(device: Device) -> None:
    device.install_proven("1")
    device.install("2")
    (device.slots.folder / "trial.json").write_text("half a rec")
    assert device.slots.trial() is None and device.slots.trusted() == "b"
    shutil.rmtree(device.slots.slots / "b")
    device.start()
    assert device.version == 1
