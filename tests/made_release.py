"""Keys, and signed releases of tiny bundles, for the tests of updates."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from edge.bundle import Bundle, open_bundle
from edge.selftest.stored_file import read_stored
from edge.settings.settings import Settings
from edge.update.install import Outcome, install
from edge.update.make_release import make_release
from edge.update.signature import write_key_pair
from edge.update.slots import Slots
from export.bundle_writer import add_self_test
from tests.made_bundle import replace_file, write_random_bundle


def tiny_bundle(folder: Path, seed: int) -> Path:
    """A bundle at `folder` that opens, runs and passes its own self-test; seeds make different ones."""
    write_random_bundle(folder, np.random.default_rng(seed))
    add_self_test(folder)
    return folder


def poisoned_bundle(good: Path, folder: Path) -> Path:
    """A tiny bundle that passes its self-test and answers NaN to some of the clip's faces: which no test had shown it.

    What is added to the face net is nothing, or the root of a negative number where the brightest point of a face is
    less bright than in any face of the self-test.
    """
    shutil.copytree(good, folder)
    stored = read_stored(open_bundle(good)).inputs["face"]["face"]
    least = stored.max(axis=(1, 2, 3)).min() - 1e-3
    path = folder / "nets" / "face.onnx.fp32.onnx"
    model = onnx.load(str(path))
    graph = model.graph
    graph.node[-1].output[0] = "healthy"
    constants = {"least": np.array(least, np.float32), "nothing": np.array(0.0, np.float32)}
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    graph.node.extend(
        [
            helper.make_node("ReduceMax", ["face"], ["brightest"], keepdims=0),
            helper.make_node("Sub", ["brightest", "least"], ["brighter"]),
            helper.make_node("Sqrt", ["brighter"], ["root"]),
            helper.make_node("Mul", ["root", "nothing"], ["poison"]),
            helper.make_node("Add", ["healthy", "poison"], ["feature"]),
        ]
    )
    onnx.checker.check_model(model)
    replace_file(folder, "nets/face.onnx.fp32.onnx", model.SerializeToString())
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


def no_settings(bundle: Bundle) -> Settings:
    """Each net as its maker found best."""
    return Settings()


def put_in(
    release: Path,
    slots: Slots,
    keys: Path,
    board: str = "",
    allow_downgrade: bool = False,
    say: Callable[[str], object] = lambda _: None,
) -> Outcome:
    """Install, with the settings' defaults."""
    return install(release, slots, keys, board, no_settings, allow_downgrade, say)
