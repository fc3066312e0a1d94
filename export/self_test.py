"""``m3er-export self-test``: store inputs and this machine's answers in a bundle that was made before."""

import argparse
import shutil
from pathlib import Path

from edge.bundle import DEFAULT, SELFTEST, open_bundle
from export.bundle_writer import add_self_test, take_place


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``m3er-export self-test``."""
    parser.add_argument("--bundle", type=Path, default=DEFAULT, help="the bundle's folder (default: the one shipped)")


def run(args: argparse.Namespace) -> int:
    """Nets, tables and card stay as they are; a self-test that is there is made anew."""
    open_bundle(args.bundle)  # nothing is copied that is not a bundle
    part = args.bundle.with_name(args.bundle.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(args.bundle, part)
    add_self_test(part)
    take_place(part, args.bundle)
    print(f"Self-test: {args.bundle / SELFTEST}\nBundle: {open_bundle(args.bundle).id}")
    return 0
