"""``m3er-edge schema``: the JSON schema of a reading, for those who read them."""

import argparse
import json

from edge.reading import json_schema


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No options."""


def run(args: argparse.Namespace) -> int:
    """Print the schema."""
    print(json.dumps(json_schema(), indent=2))
    return 0
