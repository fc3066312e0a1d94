"""How both command lines work: a command a module, and one line for an error that the user can mend."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Protocol

from edge.errors import M3erError


class Command(Protocol):
    """A module with a command: its options, and what it does."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, args: argparse.Namespace) -> int: ...


def run_command(
    program: str, description: str, commands: Sequence[tuple[str, Command, str]], arguments: list[str] | None
) -> int:
    """Parse and run.

    The exit status is the command's; 2 after an M3erError, 130 after Ctrl-C, 141 where nobody reads what is printed.

    Args:
        commands: (name, module, one line of help).
        arguments: of the command line; None for the process's own.
    """
    parser = argparse.ArgumentParser(prog=program, description=description)
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, module, text in commands:
        command = subparsers.add_parser(name, help=text)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    args = parser.parse_args(arguments)
    try:
        status: int = args.run(args)
    except M3erError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{program}: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # as in `m3er-edge … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python's last flush must not fail as well
        return 141
    return status
