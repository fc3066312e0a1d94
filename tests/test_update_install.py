"""Releases are installed into two slots: newer ones, from trusted makers, for this board; and taken back."""

import fcntl
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from edge.bundle import DEFAULT, open_bundle
from edge.cli import main
from edge.errors import M3erError
from edge.settings.settings import NetChoice, Settings
from edge.update.install import install, verify, verify_slot
from edge.update.listing import print_list
from edge.update.rollback import roll_back
from edge.update.slots import Slots, bundle_in_use
from edge.update.standing import confirm, in_use
from export.cli import main as export_main
from tests.made_bundle import edit_manifest, write_random_bundle
from tests.made_release import Maker, no_settings, put_in, tiny_bundle

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    return Maker(tmp_path_factory.mktemp("maker"))


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bundles")
    return {name: tiny_bundle(folder / name, seed) for seed, name in enumerate(("one", "two", "three"))}


@pytest.fixture(scope="module")
def releases(maker: Maker, bundles: dict[str, Path]) -> dict[int, Path]:
    return {number: maker.release(bundle, number) for number, bundle in enumerate(bundles.values(), start=1)}


@pytest.fixture
def slots(tmp_path: Path) -> Slots:
    return Slots(tmp_path / "state")


def version_in_use(slots: Slots) -> int:
    """0: the shipped bundle."""
    there = slots.installed(slots.current())
    assert open_bundle(slots.bundle(slots.current()))
    return 0 if there is None else there.release.version


def trust(slots: Slots) -> None:
    """Two good minutes have passed."""
    confirm(slots, in_use(slots, slots.current()))


def refusal(release: Path, slots: Slots, keys: Path, board: str = "") -> str:
    """Why it is refused; nothing has changed by that."""
    before = (version_in_use(slots), slots.mark())
    with pytest.raises(M3erError) as caught:
        put_in(release, slots, keys, board)
    assert (version_in_use(slots), slots.mark()) == before
    assert not (slots.slots / "staging").exists() and not (slots.slots / "trash").exists()
    return str(caught.value)


def test_without_any_release_the_shipped_bundle_is_in_use(slots: Slots, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(slots.state))
    assert bundle_in_use() == DEFAULT and not slots.state.exists()


def test_a_release_is_in_use_once_it_is_installed_and_is_then_on_trial(
    slots: Slots, maker: Maker, releases: dict[int, Path], bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    outcome = put_in(releases[1], slots, maker.keys, say=said.append)
    assert outcome.changed and outcome.release.version == 1
    assert maker.key_id in said[0] and len(said) < 6
    monkeypatch.setenv("STATE_DIRECTORY", str(slots.state))
    assert bundle_in_use() == slots.folder / "slots" / "a" / "bundle"
    assert open_bundle(bundle_in_use()).id == open_bundle(bundles["one"]).id
    trial = slots.trial()
    assert trial is not None and (trial.slot, trial.previous, trial.starts, trial.failed) == ("a", None, 0, None)
    assert sorted(path.name for path in slots.slots.iterdir()) == ["a", "lock"]
    verify_slot(slots, maker.keys, "", no_settings)


def test_the_second_goes_beside_the_first_and_the_third_in_the_firsts_place(
    slots: Slots, maker: Maker, releases: dict[int, Path]
) -> None:
    for number, slot in ((1, "a"), (2, "b"), (3, "a")):
        put_in(releases[number], slots, maker.keys)
        assert (slots.current(), version_in_use(slots)) == (slot, number)
        trust(slots)
        assert slots.trial() is None


def test_what_has_proved_itself_is_kept_while_releases_on_trial_follow_each_other(
    slots: Slots, maker: Maker, releases: dict[int, Path]
) -> None:
    put_in(releases[1], slots, maker.keys)
    trust(slots)
    for number in (2, 3):
        put_in(releases[number], slots, maker.keys)
        assert (slots.current(), version_in_use(slots), slots.trusted()) == ("b", number, "a")
    there = slots.installed("a")
    assert there is not None and there.release.version == 1


def test_the_same_again_changes_nothing(slots: Slots, maker: Maker, releases: dict[int, Path]) -> None:
    put_in(releases[1], slots, maker.keys)
    mark = slots.mark()
    assert not put_in(releases[1], slots, maker.keys).changed
    assert slots.mark() == mark


def test_versions_never_go_back_unless_it_is_asked_for(
    slots: Slots, maker: Maker, releases: dict[int, Path], bundles: dict[str, Path]
) -> None:
    put_in(releases[2], slots, maker.keys)
    assert "version 1 is older than the installed tiny 2" in refusal(releases[1], slots, maker.keys)
    another = maker.release(bundles["one"], 2, name="another-2.m3er")
    assert "another bundle of the same version" in refusal(another, slots, maker.keys)
    assert put_in(releases[1], slots, maker.keys, allow_downgrade=True).changed
    assert version_in_use(slots) == 1


def test_only_releases_for_this_board_are_installed(slots: Slots, maker: Maker, bundles: dict[str, Path]) -> None:
    release = maker.release(bundles["one"], 1, ["raspberry-pi-5", "jetson-nano"], "boards.m3er")
    assert "only for raspberry-pi-5, jetson-nano; this board is generic-x86" in refusal(
        release, slots, maker.keys, "generic-x86"
    )
    assert "not known, name it with --board" in refusal(release, slots, maker.keys)
    assert put_in(release, slots, maker.keys, "jetson-nano").changed


def test_only_trusted_makers_releases_are_installed(
    slots: Slots, maker: Maker, releases: dict[int, Path], bundles: dict[str, Path], tmp_path: Path
) -> None:
    other = Maker(tmp_path / "other")
    said = refusal(other.release(bundles["one"], 5), slots, maker.keys)
    assert "not signed by a key that this device trusts" in said and maker.key_id in said
    both = Path(shutil.copytree(maker.keys, tmp_path / "both"))
    shutil.copy(other.keys / "maker.pub", both / "other.pub")
    assert put_in(other.release(bundles["one"], 5), slots, both).release.key == other.key_id


def test_without_a_trusted_key_it_says_where_one_belongs(
    slots: Slots, releases: dict[int, Path], tmp_path: Path
) -> None:
    said = refusal(releases[1], slots, tmp_path / "none")
    assert str(tmp_path / "none") in said and "NAME.pub" in said and "m3er-export keygen" in said


@pytest.mark.parametrize("kind", ["empty", "text", "rsa", "private", "huge"])
def test_a_key_that_is_none_is_refused_by_name(
    slots: Slots, maker: Maker, releases: dict[int, Path], tmp_path: Path, kind: str
) -> None:
    rsa = generate_private_key(65537, 2048).public_key()
    pem = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    content = {
        "empty": b"",
        "text": b"not a key",
        "rsa": rsa.public_bytes(*pem),
        "private": maker.key.read_bytes(),
        "huge": bytes(100_000),
    }
    keys = Path(shutil.copytree(maker.keys, tmp_path / "keys"))
    (keys / "bad.pub").write_bytes(content[kind])
    assert str(keys / "bad.pub") in refusal(releases[1], slots, keys)


def test_a_release_that_does_not_work_here_is_not_installed(
    slots: Slots, maker: Maker, releases: dict[int, Path]
) -> None:
    wanted = Settings(nets={"face": NetChoice(engine="litert", precision="int8")})
    with pytest.raises(M3erError, match="no litert int8 file of the face net"):
        install(releases[1], slots, maker.keys, "", lambda bundle: wanted, False, lambda _: None)
    assert version_in_use(slots) == 0


def test_a_release_without_a_self_test_is_not_installed(slots: Slots, maker: Maker, tmp_path: Path) -> None:
    bare = write_random_bundle(tmp_path / "bare", np.random.default_rng(9))
    assert "has no self-test" in refusal(maker.release(bare, 1), slots, maker.keys)


def test_a_release_whose_answers_are_not_the_expected_ones_is_not_installed(
    slots: Slots, maker: Maker, bundles: dict[str, Path], tmp_path: Path
) -> None:
    """Its checksums are right: whoever signed it tried another net than the one that is in it."""
    bundle = Path(shutil.copytree(bundles["one"], tmp_path / "wrong"))
    name = "nets/speech.onnx.fp32.onnx"
    shutil.copy(bundles["two"] / name, bundle / name)
    entry = json.loads((bundles["two"] / "manifest.json").read_text())["files"][name]
    edit_manifest(bundle, lambda manifest: manifest["files"].update({name: entry}))
    assert "fails its self-test: speech" in refusal(maker.release(bundle, 1), slots, maker.keys)


def test_a_disk_that_is_too_small_is_told_before_anything_is_written(
    slots: Slots, maker: Maker, releases: dict[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.statvfs

    def nearly_full(path: Path) -> os.statvfs_result:
        values = list(real(path))
        values[4] = 2  # f_bavail
        return os.statvfs_result(values)

    monkeypatch.setattr(os, "statvfs", nearly_full)
    assert "are needed; make room" in refusal(releases[1], slots, maker.keys)


def test_of_two_installers_one_is_told_to_wait(slots: Slots, maker: Maker, releases: dict[int, Path]) -> None:
    slots.make()
    with (slots.slots / "lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert "another process is at work on the bundles" in refusal(releases[1], slots, maker.keys)
    assert put_in(releases[1], slots, maker.keys).changed


def test_a_link_in_place_of_a_folder_is_not_followed(
    slots: Slots, maker: Maker, releases: dict[int, Path], tmp_path: Path
) -> None:
    """Whoever may write to the state folder must not lead root elsewhere."""
    (tmp_path / "elsewhere").mkdir()
    slots.folder.mkdir(parents=True)
    slots.slots.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(M3erError, match="not a folder"):
        put_in(releases[1], slots, maker.keys)
    slots.slots.unlink()
    (slots.folder / "lock").symlink_to(tmp_path / "elsewhere" / "made")
    with pytest.raises(M3erError, match="lock"):
        put_in(releases[1], slots, maker.keys)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_left_overs_are_harmless_and_removed(slots: Slots, maker: Maker, releases: dict[int, Path]) -> None:
    slots.make()
    for name in ("staging", "trash"):
        (slots.slots / name / "bundle").mkdir(parents=True)
        (slots.slots / name / "release.json").write_text("half")
    assert version_in_use(slots) == 0
    put_in(releases[1], slots, maker.keys)
    assert sorted(path.name for path in slots.slots.iterdir()) == ["a", "lock"]


def test_everybody_may_read_it_whatever_the_installers_umask(
    slots: Slots, maker: Maker, releases: dict[int, Path]
) -> None:
    before = os.umask(0o077)
    try:
        put_in(releases[1], slots, maker.keys)
    finally:
        os.umask(before)
    for path in (slots.state, slots.folder, *slots.folder.rglob("*")):
        if not path.is_symlink():
            assert stat.S_IMODE(path.stat().st_mode) == (0o755 if path.is_dir() else 0o644), path


# --- back


def test_back_by_hand_from_a_trial_is_back_to_what_was_before(
    slots: Slots, maker: Maker, releases: dict[int, Path]
) -> None:
    put_in(releases[1], slots, maker.keys)
    trust(slots)
    put_in(releases[2], slots, maker.keys)
    assert roll_back(slots, no_settings) == "tiny 1"
    assert (version_in_use(slots), slots.trusted()) == (1, "a")
    trial = slots.trial()
    assert trial is not None and trial.slot == "b" and trial.failed == "rolled back by hand"
    assert roll_back(slots, no_settings) == "the bundle that comes with the program", "not to what was just left"
    with pytest.raises(M3erError, match="nothing to go back to"):
        roll_back(slots, no_settings)


def test_back_by_hand_from_a_proven_release_puts_the_other_on_trial(
    slots: Slots, maker: Maker, releases: dict[int, Path]
) -> None:
    for number in (1, 2):
        put_in(releases[number], slots, maker.keys)
        trust(slots)
    assert roll_back(slots, no_settings) == "tiny 1"
    trial = slots.trial()
    assert trial is not None and (trial.slot, trial.previous, trial.failed) == ("a", "b", None)


def test_there_is_no_way_back_to_a_damaged_bundle(slots: Slots, maker: Maker, releases: dict[int, Path]) -> None:
    for number in (1, 2):
        put_in(releases[number], slots, maker.keys)
        trust(slots)
    (slots.bundle("a") / "tokens.txt").write_bytes(b"")
    with pytest.raises(M3erError, match=r"tokens\.txt"):
        roll_back(slots, no_settings)
    assert version_in_use(slots) == 2


# --- the commands


def test_the_list_says_where_each_stands(
    slots: Slots, maker: Maker, releases: dict[int, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    def states() -> list[str]:
        print_list(slots)
        return [line.partition("Z  ")[2] or line.split()[-1] for line in capsys.readouterr().out.splitlines()[1:]]

    assert states() == ["shipped"]
    put_in(releases[1], slots, maker.keys)
    put_in(releases[2], slots, maker.keys)
    trial = "current, on trial, started 0 of 3 times"
    assert states() == ["not in use", trial, "shipped"], "what has not proved itself is nothing to go back to"
    trust(slots)
    put_in(releases[3], slots, maker.keys)
    assert states() == [trial, "previous", "shipped"]
    roll_back(slots, no_settings)
    assert states() == ["failed: rolled back by hand", "current", "shipped"]


def test_the_commands_from_the_key_to_the_device(
    bundles: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setenv("M3ER_KEYS", str(tmp_path / "device"))
    (tmp_path / "this-board.toml").write_text("")  # this machine's own profile wants nets that tiny bundles lack
    monkeypatch.setenv("M3ER_BOARD", str(tmp_path / "this-board.toml"))
    assert export_main(["keygen", "--out", str(tmp_path / "ours" / "me")]) == 0
    key = tmp_path / "ours" / "me.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600 and b"PRIVATE" in key.read_bytes()
    (tmp_path / "device").mkdir()
    shutil.copy(tmp_path / "ours" / "me.pub", tmp_path / "device")
    release = tmp_path / "r.m3er"
    sign = ["bundle", "sign", str(bundles["one"]), "--key", str(key), "--out", str(release), "--version"]
    assert main([*sign, "7", "--boards", "toaster"]) == 0
    assert main(["bundle", "install", str(release)]) == 2
    assert main([*sign, "7"]) == 0
    assert main(["bundle", "verify", str(release)]) == 0
    assert not (tmp_path / "state").exists()
    assert main(["bundle", "install", str(release)]) == 0
    assert main(["bundle", "install", str(release)]) == 0
    assert main(["bundle", "verify", "current"]) == 0
    capsys.readouterr()
    assert main(["bundle", "list"]) == 0
    _, first, shipped = capsys.readouterr().out.splitlines()
    assert first.split()[:3] == ["a", "7", "tiny"] and first.endswith("current, on trial, started 0 of 3 times")
    assert shipped.split() == ["-", "0", "default", "shipped"]
    assert main(["bundle", "rollback"]) == 0
    assert main(["bundle", "rollback"]) == 2
    captured = capsys.readouterr()
    assert "In use: the bundle that comes with the program" in captured.out
    assert captured.err.count("\n") == 1


def test_a_key_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keygen = ["keygen", "--out", str(tmp_path / "me")]
    assert export_main(keygen) == 0
    before = (tmp_path / "me.key").read_bytes()
    for gone in ("nothing", "me.pub", "me.key"):
        (tmp_path / gone).unlink(missing_ok=True)
        if gone != "me.key":
            assert export_main(keygen) == 2
            assert (tmp_path / "me.key").read_bytes() == before and "never overwritten" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--sign", "no.key", "--version", "3"], "no.key: cannot be read"),
        (["--sign", "no.key"], "--sign and --version"),
        (["--version", "3"], "--sign and --version"),
    ],
)
def test_what_is_wrong_with_signing_is_told_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert export_main(["bundle", "--for", "generic-x86", "--out", str(tmp_path / "b"), *arguments]) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "b").exists()


def test_a_bundle_is_signed_as_it_is_made(maker: Maker, tmp_path: Path, slots: Slots) -> None:
    made = ["bundle", "--for", "generic-x86", "--out", str(tmp_path / "b"), "--sign", str(maker.key), "--version", "4"]
    assert export_main(made) == 0
    release = tmp_path / "default-4.m3er"
    assert str(verify(release, slots, maker.keys, "", no_settings, tmp_path)) == "default 4"


# --- whose files


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """That any user may enter: pytest's own may not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


_SERVICE = """
import logging, sys
from pathlib import Path
logging.basicConfig(level="INFO", stream=sys.stdout)
from edge.settings.settings import Settings
from edge.update.live_bundle import LiveBundle
from edge.update.slots import Slots
from edge.update.standing import give_up, in_use
slots = Slots(Path(sys.argv[1]))
live = LiveBundle(slots, lambda bundle: Settings())
live.close()
print(live.method.bundle.folder)
give_up(slots, in_use(slots, slots.current()), "as the service's user")
try:
    (slots.slots / "a" / "release.json").write_text("")
except PermissionError:
    print("slots are read-only")
"""


def test_the_service_may_fall_back_and_nothing_more(open_folder: Path, maker: Maker, releases: dict[int, Path]) -> None:
    """Root installs; the service's user owns the state folder, and may switch, not write what was installed."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can be another user")
    user = 61234
    slots = Slots(open_folder / "state")
    slots.state.mkdir()
    os.chown(slots.state, user, user)
    for number in (1, 2):
        put_in(releases[number], slots, maker.keys)
        if number == 1:
            trust(slots)
    assert slots.folder.stat().st_uid == user and slots.slots.stat().st_uid == 0
    command = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", sys.executable, "-c", _SERVICE]
    done = subprocess.run(
        [*command, str(slots.state)], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    if "ModuleNotFoundError" in done.stderr or "Permission denied" in done.stderr.splitlines()[-1:]:
        pytest.skip("another user cannot read this checkout")
    assert done.returncode == 0, done.stderr
    assert str(slots.bundle("b")) in done.stdout and "slots are read-only" in done.stdout
    assert version_in_use(slots) == 1
    trial = slots.trial()
    assert trial is not None and (trial.starts, trial.failed) == (0, "as the service's user")
    assert put_in(releases[3], slots, maker.keys).changed, "root installs over what the service wrote"
