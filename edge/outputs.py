"""Where a run's readings go: the options of the command line, checked, and opened as publishers."""

import argparse
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from edge.capture.sample import Frame
from edge.errors import M3erError
from edge.perceive.face_detector import FaceBox
from edge.publish.destination import HELP, PAGE_ADDRESS, PAGE_PORT, open_destination, page_address
from edge.publish.json_lines import JsonLines
from edge.publish.publisher import Publisher, ReaderGone
from edge.publish.target import check_writable
from edge.publish.terminal import Terminal

if TYPE_CHECKING:
    from edge.publish.page import Page

TOKEN_VARIABLE = "M3ER_PAGE_TOKEN"


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that a live run and a file have alike."""
    parser.add_argument("--jsonl", type=Path, metavar="FILE", help="write readings as JSON lines, over an older file")
    parser.add_argument("--timeline", type=Path, metavar="FILE.png", help="draw the run as a picture")
    parser.add_argument("--publish", action="append", default=[], metavar="URL", help=HELP)
    add_page_arguments(parser)
    parser.add_argument("--page-video", action="store_true", help="show the camera's picture on the page, too")


def add_page_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the page to watch."""
    parser.add_argument(
        "--page",
        nargs="?",
        const=f"{PAGE_ADDRESS}:{PAGE_PORT}",
        metavar="ADDRESS:PORT",
        help="serve a page to watch (default: %(const)s; another address needs --page-token)",
    )
    parser.add_argument(
        "--page-token",
        metavar="TOKEN",
        default=os.environ.get(TOKEN_VARIABLE),
        help=f"what visitors of the page must bring; better as {TOKEN_VARIABLE} in the environment, which nobody sees",
    )


def check_outputs(args: argparse.Namespace) -> None:
    """Before anything is opened: an hour's work must not be lost at its end."""
    for path, what in ((args.jsonl, "readings"), (args.timeline, "timeline")):
        if path is not None:
            check_writable(path, what)
            if args.input is not None and _same(path, args.input):
                raise M3erError(f"{path}: is the clip itself; name another file to write")
    if args.jsonl is not None and args.timeline is not None and _same(args.jsonl, args.timeline):
        raise M3erError(f"{args.jsonl}: cannot hold both the readings and the timeline; name two files")
    if args.page_video and args.page is None:
        raise M3erError("--page-video shows the picture on the page: give --page as well")


def open_page(args: argparse.Namespace, labels: Sequence[str], hop_s: float, title: str) -> "Page | None":
    """The page that ``--page`` asks for."""
    if args.page is None:
        return None
    from edge.publish.page import Page

    address, port = page_address(args.page)
    video = getattr(args, "page_video", False)
    return Page(labels, hop_s, address, port, args.page_token, video, title, _is_recording(args))


def _is_recording(args: argparse.Namespace) -> bool:
    return getattr(args, "record", None) is not None


def show_on(page: "Page") -> Callable[[Frame, FaceBox | None], None]:
    """What shows pictures on a page, as long as it is there."""

    def show(frame: Frame, face: FaceBox | None) -> None:
        with suppress(ReaderGone):  # its readings tell of it
            page.frame(frame.image, None if face is None else (face.x, face.y, face.width, face.height))

    return show


class Outputs:
    """All places where readings go, the terminal among them.

    Attributes:
        local: places that can only fail for a reason on this machine; with their names for the log.
        remote: others, which may be slow or away for a while.
        page: the page among them.

    Raises:
        M3erError: one of them is malformed, or plainly cannot work.
    """

    def __init__(
        self, args: argparse.Namespace, labels: Sequence[str], hop_s: float, title: str, total_s: float | None = None
    ) -> None:
        recording = _is_recording(args)
        self.local: list[tuple[str, Publisher]] = []
        self.remote: list[tuple[str, Publisher]] = []
        self.page = open_page(args, labels, hop_s, title)
        try:
            if self.page is not None:
                self.remote.append((f"the page {self.page.url}", self.page))
            if args.jsonl is not None:
                self.local.append((str(args.jsonl), JsonLines(args.jsonl)))
            for url in args.publish:
                self.remote.append(
                    (url.partition(":")[0], open_destination(url, labels, hop_s, args.page_token, recording))
                )
            self.local.append(("the terminal", Terminal(labels, total_s=total_s, recording=recording)))
        except M3erError:
            for _, publisher in [*self.local, *self.remote]:
                publisher.close()
            raise


def _same(one: Path, other: Path) -> bool:
    """The same file, by whatever name."""
    return one.resolve() == other.resolve() or (one.exists() and other.exists() and one.samefile(other))
