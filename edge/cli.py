"""``m3er-edge``: the device's commands."""

import logging
import sys

from edge import run, schema
from edge.bench import bench
from edge.command_line import run_command


def main(arguments: list[str] | None = None) -> int:
    """Run a command of the device."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    return run_command(
        "m3er-edge",
        "How a person seems to feel, from face, speech and words, offline.",
        (
            ("run", run, "watch and listen, and give readings"),
            ("bench", bench, "measure what each net costs on this board, and choose"),
            ("schema", schema, "print the JSON schema of a reading"),
        ),
        arguments,
    )


if __name__ == "__main__":
    sys.exit(main())
