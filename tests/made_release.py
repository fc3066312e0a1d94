"""Keys, and signed releases of tiny bundles, for the tests of updates."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from edge.settings.settings import Settings
from edge.update.install import Outcome, install
from edge.update.make_release import make_release
from edge.update.signature import write_key_pair
from edge.update.slots import Slots
from export.bundle_writer import add_self_test
from tests.made_bundle import write_random_bundle


def tiny_bundle(folder: Path, seed: int) -> Path:
    """A bundle at `folder` that opens, runs and passes its own self-test; seeds make different ones."""
    write_random_bundle(folder, np.random.default_rng(seed))
    add_self_test(folder)
    return folder


class Maker:
    """Somebody who makes releases.

    Args:
        folder: for the keys and the releases; is made.

    Attributes:
        key: to sign with.
        keys: a folder with the public key alone, as on a device.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.keys = folder, folder / "keys"
        self.key, public, self.key_id = write_key_pair(folder / "maker")
        self.keys.mkdir()
        shutil.copy(public, self.keys)

    def release(self, bundle: Path, version: int, boards: Sequence[str] = (), name: str | None = None) -> Path:
        """A signed release file."""
        return make_release(bundle, self.key, version, boards, self.folder / (name or f"{bundle.name}-{version}.m3er"))


def put_in(
    release: Path,
    slots: Slots,
    keys: Path,
    board: str = "",
    allow_downgrade: bool = False,
    say: Callable[[str], object] = lambda _: None,
) -> Outcome:
    """Install, with the settings' defaults."""
    return install(release, slots, keys, board, Settings(), allow_downgrade, say)
