"""``m3er-export``: the workstation's commands."""

import argparse
import logging
import sys
import warnings

from edge.errors import M3erError
from export import sample_clip, train


def main(arguments: list[str] | None = None) -> int:
    """Run a command; the exit status is 0, or 2 after a one-line error that the user can mend."""
    parser = argparse.ArgumentParser(prog="m3er-export", description="Train, convert and bundle M3ER models.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, module, text in (
        ("train", train, "make a bundle from corpora"),
        ("sample-clip", sample_clip, "make a clip with known faults, for trying out and for tests"),
    ):
        command = commands.add_parser(name, help=text, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    args = parser.parse_args(arguments)
    # torch's, Lightning's and the exporters' notes to their own developers
    for chatty in ("lightning.pytorch", "torch.onnx"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=UserWarning)
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    try:
        status: int = args.run(args)
    except M3erError as error:
        print(f"m3er-export: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("m3er-export: stopped", file=sys.stderr)
        return 130
    return status


if __name__ == "__main__":
    sys.exit(main())
