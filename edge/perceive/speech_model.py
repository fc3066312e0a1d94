"""Open a Vosk speech model, and survive one that is damaged.

Vosk checks little: a damaged model may print pages from C++, fail only when a recogniser is made of it, or end the
process. So a model that did not come with this package is first tried in a process of its own.
"""

import subprocess
import sys
from pathlib import Path

from edge.capture.sample import SAMPLE_RATE_HZ
from edge.errors import M3erError
from edge.perceive.vosk_library import vosk

_TRY_TIMEOUT_S = 120.0
_TRY = """
import sys
from edge.perceive.vosk_library import vosk
recogniser = vosk.KaldiRecognizer(vosk.Model(sys.argv[1]), float(sys.argv[2]))
recogniser.SetWords(True)
recogniser.AcceptWaveform(bytes(16000))
recogniser.FinalResult()
"""


def load_model(folder: Path, trusted: bool = False) -> vosk.Model:
    """A Vosk model that a recogniser can be made of.

    A path is always given to Vosk: names it looks up on the internet, and may end the process.

    Args:
        folder: an unpacked model.
        trusted: skip the trial, which takes about as long as loading does; for the model that is shipped.

    Raises:
        M3erError: the folder is missing, empty or not a usable model; with Vosk's own last words.
    """
    vosk.SetLogLevel(-1)
    if not folder.is_dir():
        raise M3erError(f"{folder}: no such speech model folder; give an unpacked Vosk model")
    if not trusted:
        _try(folder)
    try:
        return vosk.Model(str(folder))
    except Exception as error:  # noqa: BLE001 - the bindings raise bare Exception
        raise M3erError(f"{folder}: not a usable Vosk speech model ({error}); unpack it again") from None


def _try(folder: Path) -> None:
    words = folder / "graph" / "words.txt"
    if words.is_file() and words.stat().st_size == 0:  # Vosk takes it, and never hears a word
        raise M3erError(f"{folder}: a damaged Vosk speech model (graph/words.txt is empty); unpack it again")
    command = [sys.executable, "-c", _TRY, str(folder), str(SAMPLE_RATE_HZ)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_TRY_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        raise M3erError(
            f"{folder}: loading this speech model takes over {_TRY_TIMEOUT_S:.0f} s; try a smaller one"
        ) from None
    if done.returncode == 0:
        return
    said = [line for line in done.stderr.decode(errors="replace").splitlines() if line.startswith("ERROR")]
    why = said[0].split(") ", 1)[-1] if said else f"Vosk ended with status {done.returncode}"
    raise M3erError(f"{folder}: not a usable Vosk speech model ({why}); unpack it again")
