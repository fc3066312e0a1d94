"""A torch net as a TFLite file: converted, quantised.

Each rule of the quantisation was found by comparing answers: breaking one gives garbage without any error.
:mod:`export.convert.parity` judges every file, and tests/test_tflite_traps.py breaks each rule on purpose.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from export.convert.quiet import quiet
from export.convert.sample import Sample

if TYPE_CHECKING:
    from ai_edge_quantizer.recipe_manager import RecipeManager

_CONVOLUTIONS = {"CONV_2D", "DEPTHWISE_CONV_2D"}
POOLING = ("DIV", "SUM", "MEAN", "MUL", "SUB", "SQRT")
"""Left in float: int8 DIV, of a softmax that is not over the last axis, answers up to six times too much for rare
inputs (and differently with and without XNNPACK); the others cost precision and save no time."""


def write_tflite(net: nn.Module, samples: list[Sample], outputs: list[str], path: Path) -> None:
    """Convert for batch 1; inputs and outputs keep their names in the file's signature."""
    example = {name: torch.from_numpy(array) for name, array in samples[0].items()}
    with quiet():
        import litert_torch  # slow to import, and talkative

        litert_torch.convert(_Named(net, outputs).eval(), sample_kwargs=example).export(str(path))


def write_tflite_int8(fp32: Path, samples: list[Sample], path: Path) -> None:
    """Convolutions in static int8, calibrated; nets without them: int8 weights alone. Embeddings in int8 always."""
    with quiet():
        recipe = static_recipe() if operations(fp32) & _CONVOLUTIONS else weights_recipe()
        quantise(fp32, recipe, samples, path)


def static_recipe() -> "RecipeManager":
    """Activations too; a scale per channel of a convolution's weights."""
    recipe = _recipe()
    recipe.add_static_config(
        regex=".*", operation_name=_operation("ALL_SUPPORTED"), activation_num_bits=8, weight_num_bits=8
    )
    for name in ("INPUT", "OUTPUT", *POOLING):  # a device hands over floats, and wants floats
        recipe.add_quantization_config(".*", _operation(name), None, "no_quantize")
    add_dynamic(recipe, "EMBEDDING_LOOKUP")  # static int8 leaves it in float: most of the text net
    return recipe


def weights_recipe() -> "RecipeManager":
    """Weights of products alone; what is computed between them stays in float."""
    recipe = _recipe()
    for name in ("FULLY_CONNECTED", "EMBEDDING_LOOKUP"):
        add_dynamic(recipe, name)
    return recipe


def add_dynamic(recipe: "RecipeManager", operation: str, granularity: str = "TENSORWISE") -> None:
    """Int8 weights for an operation. One scale a tensor: one a channel answers garbage in tflite-runtime 2.14."""
    from ai_edge_quantizer.qtyping import QuantGranularity

    recipe.add_dynamic_config(
        regex=".*", operation_name=_operation(operation), num_bits=8, granularity=QuantGranularity[granularity]
    )


def quantise(fp32: Path, recipe: "RecipeManager", samples: list[Sample], path: Path) -> None:
    """Write `fp32` after a recipe, its ranges measured on `samples` where it wants them."""
    from ai_edge_quantizer import calibrator, quantizer
    from ai_edge_quantizer.utils import qsv_utils

    quantize = quantizer.Quantizer(str(fp32), recipe.get_quantization_recipe())
    ranges: Any = None
    if quantize.need_calibration:
        # min_max_update: the default is a moving average, which clips what is rare
        watch = calibrator.Calibrator(str(fp32), num_threads=1, qsv_update_func=qsv_utils.min_max_update)
        watch.calibrate({"serving_default": samples}, recipe)
        ranges = watch.get_model_qsvs()
    quantize.quantize(ranges).export_model(str(path), overwrite=True)


def operations(path: Path) -> set[str]:
    """Names of a TFLite file's operations."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    return {names[code.builtinCode] for code in model.operatorCodes}


def _recipe() -> "RecipeManager":
    from ai_edge_quantizer.recipe_manager import RecipeManager

    return RecipeManager()


def _operation(name: str) -> Any:
    from ai_edge_quantizer.qtyping import TFLOperationName

    return TFLOperationName[name]


class _Named(nn.Module):
    """The converter names inputs after keyword arguments, and outputs after the keys of what comes back."""

    def __init__(self, net: nn.Module, outputs: list[str]) -> None:
        super().__init__()
        self.net = net
        self.outputs = outputs

    def forward(self, **inputs: Tensor) -> dict[str, Tensor]:
        answer = self.net(*inputs.values())
        return dict(zip(self.outputs, answer if isinstance(answer, tuple) else (answer,), strict=True))
