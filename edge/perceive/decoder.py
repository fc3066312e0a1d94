"""Other decoder settings for a Vosk model, whose folder may be read-only and is not ours to change.

Vosk reads them from the model's ``conf/model.conf`` and takes them from nowhere else. So it is given a folder of links
to the model's files, with a ``model.conf`` of its own.
"""

import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from edge.errors import M3erError

_CONF = Path("conf/model.conf")
_MIN_ACTIVE, _MAX_ACTIVE = "min-active", "max-active"

_log = logging.getLogger(__name__)


@contextmanager
def tuned_model(folder: Path, options: Mapping[str, float]) -> Iterator[Path]:
    """A folder for Vosk that is the model with these options; it is gone afterwards.

    Args:
        folder: of the model.
        options: of Kaldi's decoder, by its names: ``beam``, ``max-active``, ``lattice-beam``; none: the model itself.

    Raises:
        M3erError: nothing can be written where temporary files belong.
    """
    if not options:
        yield folder
        return
    try:
        conf = (folder / _CONF).read_text(encoding="utf-8", errors="replace")
    except OSError as error:  # an old layout, whose options are fixed; or damaged, which loading it will say
        _log.warning("%s: decoder settings are left as they are, no %s (%s)", folder, _CONF, error.strerror)
        yield folder
        return
    try:
        # A service's own folders in memory, with colons in between, which systemd removes whatever happens.
        own = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0] or None
        place = tempfile.TemporaryDirectory(prefix="m3er-vosk-", dir=own)
    except OSError as error:
        raise M3erError(
            f"{tempfile.gettempdir()}: cannot be written ({error.strerror}); make room there, set TMPDIR, or set "
            "neither beam, max_active nor lattice_beam"
        ) from None
    with place as scratch:
        tuned = Path(scratch) / folder.name
        _link(folder.resolve(), tuned)
        (tuned / _CONF).write_text(with_options(conf, options), encoding="utf-8")
        yield tuned


def with_options(conf: str, options: Mapping[str, float]) -> str:
    """A ``model.conf`` with these options in place of its own, which Kaldi writes ``--name=value``, one a line."""
    given = {_name(line): line for line in conf.splitlines() if line.strip().startswith("--")}
    options = dict(options)
    least = given.get(_MIN_ACTIVE, "").partition("=")[2].strip()
    most = options.get(_MAX_ACTIVE)
    if most is not None and least.isdecimal() and int(least) > most:
        options[_MIN_ACTIVE] = most  # Kaldi ends the process where they contradict each other
    kept = [line for line in conf.splitlines() if _name(line) not in options]
    return "\n".join([*kept, *(f"--{name}={value:g}" for name, value in options.items())]) + "\n"


def _name(line: str) -> str:
    return line.strip().removeprefix("--").partition("=")[0].strip().replace("_", "-").lower()


def _link(folder: Path, tuned: Path) -> None:
    """Links to all there is, but for what is to be written anew."""
    (tuned / _CONF.parent).mkdir(parents=True)
    for path in folder.iterdir():
        if path.name != _CONF.parent.name:
            (tuned / path.name).symlink_to(path)
    for path in (folder / _CONF.parent).iterdir():
        if path.name != _CONF.name:
            (tuned / _CONF.parent / path.name).symlink_to(path)
