"""``m3er-export keygen``: the key pair that releases are signed with, and trusted by."""

import argparse
from pathlib import Path

from edge.update.signature import write_key_pair


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``m3er-export keygen``."""
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER/NAME", help="writes NAME.key (keep it secret) and NAME.pub"
    )


def run(args: argparse.Namespace) -> int:
    """``m3er-export keygen``."""
    secret, public, name = write_key_pair(args.out)
    print(f"Key {name}\nTo sign with, to be kept secret: {secret}\nFor devices, in /etc/m3er-edge/keys: {public}")
    return 0
