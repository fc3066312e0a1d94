"""``m3er-export``: the workstation's commands."""

import logging
import sys
import warnings

from edge.command_line import run_command
from export import bundle, keygen, prepare, sample_clip, self_test, train
from export.bench import bench
from export.evaluate import evaluate


def main(arguments: list[str] | None = None) -> int:
    """Run a command of the workstation."""
    # torch's, Lightning's and the exporters' notes to their own developers
    for chatty in ("lightning.pytorch", "torch.onnx"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    for category in (UserWarning, FutureWarning, DeprecationWarning):
        warnings.filterwarnings("ignore", category=category)
    return run_command(
        "m3er-export",
        "Train, convert and bundle M3ER models.",
        (
            ("prepare", prepare, "read corpora and compute their features once"),
            ("train", train, "train the encoders"),
            ("bundle", bundle, "make a bundle: convert, fit, score"),
            ("keygen", keygen, "make the key pair that releases of a bundle are signed with"),
            ("self-test", self_test, "store a self-test in a bundle: inputs, and what each device must answer"),
            ("evaluate", evaluate, "score a bundle: evaluation.json and report.html"),
            ("bench", bench, "what a reading costs, against others and the core's limit: bench.json and bench.html"),
            ("sample-clip", sample_clip, "make a clip with known faults, for trying out and for tests"),
        ),
        arguments,
    )


if __name__ == "__main__":
    sys.exit(main())
