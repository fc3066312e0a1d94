"""``m3er-edge schema``: the JSON schema of a reading, for those who read them."""

import argparse
import json

from edge.reading import json_schema


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``m3er-edge schema``."""
    parser.add_argument("--markdown", action="store_true", help="topics and messages for people, as Markdown")


def run(args: argparse.Namespace) -> int:
    """Print the schema, or what people make of it."""
    if args.markdown:
        from edge.publish.topics import topics_markdown

        print(topics_markdown(), end="")
        return 0
    print(json.dumps(json_schema(), indent=2))
    return 0
