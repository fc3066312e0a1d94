"""Keys, and signed releases of tiny bundles, for the tests of updates."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

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
    nodes = [
        helper.make_node("Sub", ["brightest", "least"], ["brighter"]),
        helper.make_node("Sqrt", ["brighter"], ["root"]),
        helper.make_node("Mul", ["root", "nothing"], ["poison"]),
    ]
    return _with_poison(good, folder, nodes)


def hanging_bundle(good: Path, folder: Path) -> Path:
    """As :func:`poisoned_bundle`, but at such a face its net computes for ever. At the zeros that try it out it ends.

    What is added counts, slowly, up to nothing or to as many as there are numbers.
    """
    count = helper.make_tensor_value_info("count", TensorProto.INT64, [])
    go_on_in, go_on_out = (helper.make_tensor_value_info(name, TensorProto.BOOL, []) for name in ("go_on", "go_on_out"))
    before, after = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("before", "after"))
    body = [helper.make_node("Identity", ["go_on"], ["go_on_out"]), helper.make_node("Sin", ["before"], ["after"])]
    nodes = [
        helper.make_node("Less", ["brightest", "least"], ["darker"]),
        helper.make_node("Cast", ["brightest"], ["not_black"], to=TensorProto.BOOL),
        helper.make_node("And", ["darker", "not_black"], ["poisoned"]),
        helper.make_node("Where", ["poisoned", "for_ever", "not_once"], ["times"]),
        helper.make_node(
            "Loop",
            ["times", "", "nothing"],
            ["poison"],
            body=helper.make_graph(body, "body", [count, go_on_in, before], [go_on_out, after]),
        ),
    ]
    return _with_poison(good, folder, nodes)


def _with_poison(good: Path, folder: Path, nodes: list[onnx.NodeProto]) -> Path:
    """The bundle with nodes that make ``poison``, which is added to the face's feature, of ``brightest``, (1,)."""
    shutil.copytree(good, folder)
    stored = read_stored(open_bundle(good)).inputs["face"]["face"]
    least = stored.max(axis=(1, 2, 3)).min() - 1e-3
    path = folder / "nets" / "face.onnx.fp32.onnx"
    model = onnx.load(str(path))
    graph = model.graph
    graph.node[-1].output[0] = "healthy"
    constants = {
        "least": np.array(least, np.float32),
        "nothing": np.array([0.0], np.float32),
        "for_ever": np.array([2**62]),
        "not_once": np.array([0]),
    }
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    graph.node.extend(
        [
            helper.make_node("ReduceMax", ["face"], ["brightest"], keepdims=0),
            *nodes,
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
