"""``m3er-edge``: the device's commands."""

import sys

from edge import replay, run, schema
from edge.bench import bench
from edge.command_line import run_command
from edge.doctor import doctor
from edge.log import start_logging
from edge.models import models
from edge.selftest import selftest
from edge.settings import show
from edge.update import commands as bundle


def main(arguments: list[str] | None = None) -> int:
    """Run a command of the device."""
    start_logging()
    return run_command(
        "m3er-edge",
        "How a person seems to feel, from face, speech and words, offline.",
        (
            ("run", run, "watch and listen, and give readings"),
            ("settings", show, "print what is set, and where each value came from"),
            ("bench", bench, "measure what each net costs on this board, and choose"),
            ("models", models, "list the models there are, and fetch public ones"),
            ("bundle", bundle, "install, list, verify and roll back releases of the trained model; sign one"),
            ("doctor", doctor, "say what works on this machine, what does not, and what to do"),
            ("selftest", selftest, "prove that the answers are right on this machine, and write a report to send back"),
            ("replay", replay, "show a readings file once more: on the terminal, on the page, as a picture"),
            ("schema", schema, "print the JSON schema of a reading"),
        ),
        arguments,
    )


if __name__ == "__main__":
    sys.exit(main())
