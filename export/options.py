"""Options that several commands of ``m3er-export`` share."""

import argparse
from pathlib import Path

from export.nets.devices import Devices


def add_data(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """Where the corpora are, where to keep what is slow to compute, and the seed of the splits."""
    parser.add_argument("--data", type=Path, required=required, help="folder with face/, speech/ and text/")
    parser.add_argument("--seed", type=int, default=0, help="decides splits and training (default: %(default)s)")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path.home() / ".cache" / "m3er-edge" / "export",
        help="features and encoders are kept here, by content: a stopped run goes on (default: %(default)s)",
    )


def add_devices(parser: argparse.ArgumentParser) -> None:
    """How many processes, GPUs and nodes train."""
    parser.add_argument("--devices", type=int, default=1, help="GPUs or, without one, processes (default: %(default)s)")
    parser.add_argument("--num-nodes", type=int, default=1, help="machines that train together (default: %(default)s)")


def devices(args: argparse.Namespace) -> Devices:
    """Of parsed options."""
    return Devices(args.devices, args.num_nodes)
