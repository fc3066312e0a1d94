"""Converters tell of every pass that they make, in four ways."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

from edge.quiet import quiet_stderr


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing that is logged, warned or printed inside is seen; errors are raised as ever."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), quiet_stderr():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
