"""``m3er-edge``: the device's commands."""

import argparse
import logging
import sys

from edge import run, schema
from edge.errors import M3erError


def main(arguments: list[str] | None = None) -> int:
    """Run a command; the exit status is 0, or 2 after a one-line error that the user can mend."""
    parser = argparse.ArgumentParser(
        prog="m3er-edge", description="How a person seems to feel, from face, speech and words, offline."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, module, text in (
        ("run", run, "watch and listen, and give readings"),
        ("schema", schema, "print the JSON schema of a reading"),
    ):
        command = commands.add_parser(name, help=text, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    args = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        status: int = args.run(args)
    except M3erError as error:
        print(f"m3er-edge: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("m3er-edge: stopped", file=sys.stderr)
        return 130
    return status


if __name__ == "__main__":
    sys.exit(main())
