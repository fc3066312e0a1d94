"""The progress of a measurement, drawn only between its parts: no thread runs beside what is timed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress


@contextmanager
def progress(parts: int) -> Iterator[Callable[[str], None]]:
    """Gives what is to be called with a word after each of so many parts."""
    with Progress(console=Console(stderr=True), transient=True, auto_refresh=False) as shown:
        task = shown.add_task("", total=parts)
        yield lambda what: shown.update(task, advance=1, description=what, refresh=True)
