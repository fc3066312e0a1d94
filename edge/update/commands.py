"""``m3er-edge bundle``: install, list, verify, roll back and sign releases of the bundle."""

import argparse
import os
import tempfile
from functools import partial
from pathlib import Path

from edge.errors import M3erError
from edge.settings.flags import from_flags
from edge.settings.layers import merge_settings
from edge.update.install import install, verify, verify_slot
from edge.update.listing import print_list
from edge.update.make_release import make_release
from edge.update.rollback import roll_back
from edge.update.slots import Slots, state_folder

KEYS = Path("/etc/m3er-edge/keys")
KEYS_VARIABLE = "M3ER_KEYS"
CURRENT = "current"
_RESTART = "systemctl restart m3er-edge"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be done with bundles."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="install|list|verify|rollback|sign")
    installing = actions.add_parser("install", help="check a release file, and switch to it")
    installing.add_argument("file", type=Path, metavar="FILE.m3er")
    installing.add_argument("--allow-downgrade", action="store_true", help="an older version may replace a newer one")
    actions.add_parser("list", help="what is installed, and how each stands")
    verifying = actions.add_parser("verify", help="all that install checks; nothing is changed")
    verifying.add_argument("file", metavar=f"FILE.m3er|{CURRENT}", help=f"{CURRENT}: what is installed and in use")
    rolling = actions.add_parser("rollback", help="back to what was in use before")
    for action in (installing, verifying, rolling):
        action.add_argument("--board", metavar="NAME|FILE", help="this board (default: detected)")
    for action in (installing, verifying):
        action.add_argument(
            "--keys",
            type=Path,
            default=Path(os.environ.get(KEYS_VARIABLE) or KEYS),
            metavar="DIR",
            help=f"trusted public keys, *.pub (default: {KEYS_VARIABLE}, or {KEYS})",
        )
    signing = actions.add_parser("sign", help="make a release file of a bundle: for whoever makes bundles")
    signing.add_argument("bundle", type=Path, metavar="BUNDLE", help="its folder")
    signing.add_argument("--out", type=Path, metavar="FILE.m3er", help="default: NAME-VERSION.m3er in this folder")
    add_release_arguments(signing, "--key", required=True)


def add_release_arguments(parser: argparse.ArgumentParser, key_option: str, required: bool) -> None:
    """What a release needs to be told, of ``m3er-export bundle`` as well."""
    parser.add_argument(
        key_option, dest="key", type=Path, required=required, metavar="NAME.key", help="of m3er-export keygen"
    )
    parser.add_argument(
        "--version", type=int, required=required, metavar="N", help="larger than of every release before it"
    )
    parser.add_argument(
        "--boards", nargs="+", default=[], metavar="BOARD", help="boards that it is for, by name (default: all)"
    )


def run(args: argparse.Namespace) -> int:
    """``m3er-edge bundle``."""
    slots = Slots(state_folder())
    if slots.hidden and args.action != "sign":
        raise M3erError(slots.hidden)
    if args.action == "list":
        print_list(slots)
    elif args.action == "sign":
        print(f"Release: {make_release(args.bundle, args.key, args.version, args.boards, args.out)}")
    elif args.action == "install":
        _install(args, slots)
    elif args.action == "verify":
        _verify(args, slots)
    else:
        settings_for = merge_settings(from_flags(args)).settings_for
        print(f"In use: {roll_back(slots, settings_for)}. A running service takes it over by itself, or: {_RESTART}")
    return 0


def _install(args: argparse.Namespace, slots: Slots) -> None:
    tell = partial(print, flush=True)  # before an error on the other stream, also in a log
    merged = merge_settings(from_flags(args))
    outcome = install(args.file, slots, args.keys, merged.board, merged.settings_for, args.allow_downgrade, tell)
    if not outcome.changed:
        print(f"{outcome.release} is installed already")
    elif outcome.at_next_start:
        print(f"Installed: {outcome.release}, on trial. It has other labels or another hop than before: {_RESTART}")
    else:
        print(f"Installed: {outcome.release}, on trial. A running service takes it over by itself")


def _verify(args: argparse.Namespace, slots: Slots) -> None:
    merged = merge_settings(from_flags(args))
    if args.file != CURRENT:
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(args.file)
            release = verify(path, slots, args.keys, merged.board, merged.settings_for, Path(scratch))
            print(f"{release} would be installed")
        return
    verify_slot(slots, args.keys, merged.board, merged.settings_for)
    print(f"{slots.name_of(slots.current())} is whole, and works here")
