"""TFLite files answer the same in the old tflite-runtime 2.14, which boards still have, as in LiteRT."""

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ai_edge_quantizer.recipe_manager import RecipeManager
from numpy.typing import NDArray
from torch import Tensor, nn

from edge.bundle import DEFAULT, Bundle, NetName, NetVariant, open_bundle
from edge.engines.engine import Precision, open_engine
from edge.perceive.tokens import PAD
from edge.reading import MODALITIES
from export.convert.parity import centred_cosine
from export.convert.quiet import quiet
from export.convert.sample import Sample
from export.convert.tflite_file import add_dynamic, quantise, write_tflite, write_tflite_int8

ROOT = Path(__file__).parent.parent
SAMPLES = 60

Inputs = Mapping[str, NDArray[Any]]
"""By name, (samples, 1, …)."""

# the package itself, with an interpreter that has numpy and the old runtime and nothing else
_SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from edge.engines.litert_engine import LiteRtEngine

net, given, answers = map(Path, sys.argv[1:])
engine = LiteRtEngine(net)
inputs = dict(np.load(given))
rows = [engine.run(dict(zip(inputs, row))) for row in zip(*inputs.values())]
np.savez(answers, **{name: np.stack([row[name][0] for row in rows]) for name in rows[0]})
print(engine.name, end="")
"""


@pytest.fixture(scope="session")
def old_python() -> Path:
    """An interpreter with the old runtime. Its environment is kept between runs; a half-made one is made anew."""
    if sys.version_info >= (3, 12):
        pytest.skip("tflite-runtime 2.14.0 has no wheel for Python 3.12 and later")
    folder = Path(sys.prefix) / "tflite-runtime-2.14"
    python = folder / "bin" / "python"
    if not _has_old_runtime(python):
        shutil.rmtree(folder, ignore_errors=True)
        try:
            venv.create(folder, symlinks=True, with_pip=True)
            wanted = ("tflite-runtime==2.14.0", "numpy<2")
            _run([python, "-m", "pip", "install", "-q", "--retries", "1", *wanted])
        except (OSError, subprocess.SubprocessError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            why = (str(error).splitlines() or [type(error).__name__])[-1]
            pytest.skip(f"tflite-runtime 2.14.0 cannot be installed: {why}")
    return python


def _has_old_runtime(python: Path) -> bool:
    try:
        _run([python, "-c", "import numpy, tflite_runtime.interpreter"])
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def _run(command: list[str | Path]) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        raise subprocess.SubprocessError(done.stderr.strip())
    return done.stdout


def _in_old(python: Path, net: Path, inputs: Inputs, scratch: Path) -> dict[str, NDArray[np.float32]]:
    """What the old runtime answers, by name (samples, …)."""
    given, answers = scratch / "given.npz", scratch / "answers.npz"
    np.savez(given, **inputs)  # type: ignore[arg-type]
    assert _run([python, "-c", _SCRIPT, net, given, answers]).startswith("tflite-runtime/")
    return dict(np.load(answers))


def _in_new(net: Path, inputs: Inputs) -> dict[str, NDArray[np.float32]]:
    engine = open_engine(net)
    assert engine.name.startswith("litert/")
    rows = [engine.run(dict(zip(inputs, row, strict=True))) for row in zip(*inputs.values(), strict=True)]
    return {name: np.stack([row[name][0] for row in rows]) for name in rows[0]}


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("net", ["face", "speech", "text", "fusion"])
def test_a_shipped_file_answers_the_same_in_the_old_runtime(
    net: NetName, precision: Precision, old_python: Path, tmp_path: Path
) -> None:
    bundle = open_bundle(DEFAULT)
    found = [v for v in bundle.variants(net) if (v.engine, v.precision) == ("litert", precision)]
    if not found:
        pytest.skip(f"the default bundle has no TFLite {precision} file of the {net} net")
    inputs = _plausible(bundle, found[0])
    new = _in_new(bundle.path(found[0]), inputs)
    old = _in_old(old_python, bundle.path(found[0]), inputs, tmp_path)
    assert old.keys() == new.keys()
    for name, answers in new.items():
        if precision == "fp32":
            assert np.abs(old[name] - answers).max() < 1e-4 * answers.std()
        else:  # each rounds in its own way: as close as int8 must be to float
            cosine = centred_cosine(answers, old[name])
            assert cosine.min() > 0.90
            assert np.median(cosine) > 0.99


def _plausible(bundle: Bundle, variant: NetVariant) -> Inputs:
    """Random inputs in the range of real ones; no state yet."""
    rng = np.random.default_rng(0)
    inputs: dict[str, NDArray[Any]] = {}
    for name, shape in variant.inputs.items():
        if name == "tokens":
            tokens = rng.integers(0, len(bundle.vocabulary), (SAMPLES, *shape))
            spoken = rng.integers(1, shape[1] + 1, (SAMPLES, 1, 1))
            inputs[name] = np.where(np.arange(shape[1]) < spoken, tokens, PAD).astype(np.int32)
            continue
        drawn = rng.normal(size=(SAMPLES, *shape))
        if variant.net in ("face", "speech"):  # white noise looks the same to a net whatever it is
            drawn = drawn.cumsum(axis=-2).cumsum(axis=-1)
            drawn -= drawn.mean(axis=(-2, -1), keepdims=True)
            drawn /= drawn.std(axis=(-2, -1), keepdims=True)
        elif name not in MODALITIES:
            drawn *= 0
        inputs[name] = ((0.1 + 0.6 * drawn).clip(-1, 1.2) if name == "log_mel" else drawn).astype(np.float32)
    return inputs


class _Words(nn.Module):
    """An embedding and two products."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(200, 16)
        self.products = nn.Sequential(nn.Linear(16, 24), nn.ReLU(), nn.Linear(24, 8))

    def forward(self, tokens: Tensor) -> Tensor:
        answer: Tensor = self.products(self.embedding(tokens).mean(dim=1))
        return answer


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Inputs]:
    """The float file of a small net, and inputs."""
    torch.manual_seed(0)
    inputs = {"tokens": np.random.default_rng(0).integers(0, 200, (SAMPLES, 1, 8)).astype(np.int32)}
    path = tmp_path_factory.mktemp("words") / "fp32.tflite"
    write_tflite(_Words(), _samples(inputs), ["feature"], path)
    return path, inputs


def _samples(inputs: Inputs) -> list[Sample]:
    return [dict(zip(inputs, row, strict=True)) for row in zip(*inputs.values(), strict=True)]


def test_one_scale_a_tensor_is_right_in_both_runtimes(
    words: tuple[Path, Inputs], old_python: Path, tmp_path: Path
) -> None:
    fp32, inputs = words
    write_tflite_int8(fp32, _samples(inputs), tmp_path / "int8.tflite")
    truth = _in_new(fp32, inputs)["feature"]
    for answers in (
        _in_new(tmp_path / "int8.tflite", inputs),
        _in_old(old_python, tmp_path / "int8.tflite", inputs, tmp_path),
    ):
        assert centred_cosine(truth, answers["feature"]).min() > 0.99


@pytest.mark.parametrize("operation", ["EMBEDDING_LOOKUP", "FULLY_CONNECTED"])
def test_a_scale_a_channel_is_garbage_in_the_old_runtime_alone(
    operation: str, words: tuple[Path, Inputs], old_python: Path, tmp_path: Path
) -> None:
    """Should this fail one day, the rule is no longer needed."""
    fp32, inputs = words
    recipe = RecipeManager()
    add_dynamic(recipe, operation, "CHANNELWISE")
    with quiet():
        quantise(fp32, recipe, _samples(inputs), tmp_path / "int8.tflite")
    truth = _in_new(fp32, inputs)["feature"]
    new = _in_new(tmp_path / "int8.tflite", inputs)["feature"]
    old = _in_old(old_python, tmp_path / "int8.tflite", inputs, tmp_path)["feature"]
    assert centred_cosine(truth, new).min() > 0.99
    assert np.median(centred_cosine(truth, old)) < 0.5
