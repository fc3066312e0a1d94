"""Find a model on this machine by its name."""

import os
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from edge.errors import M3erError
from edge.models import VOSK_TINY_EN
from edge.models.public import PUBLIC_MODELS, PublicModel
from edge.perceive.face_detector import YUNET_FILE, find_yunet, model_folders


def find_speech_model(name_or_path: str) -> Path:
    """The folder of a Vosk model.

    Args:
        name_or_path: a path that exists is taken as it is. A name, such as ``vosk-tiny-en`` or that of any folder,
            is looked for in `speech_model_places`.

    Raises:
        M3erError: it is nowhere; says where it was looked for, and how to get it or what is meant, if that is known.
    """
    if name_or_path and _exists(Path(name_or_path)):
        return Path(name_or_path)
    if name_or_path == VOSK_TINY_EN.name:
        return VOSK_TINY_EN
    if not name_or_path or "/" in name_or_path:
        raise M3erError(f"{name_or_path!r}: no such speech model folder; give one, or a name of m3er-edge models list")
    places = speech_model_places()
    for place in places:
        if _is_folder(place / name_or_path):
            return place / name_or_path
    searched = f"{name_or_path}: no such speech model here (looked in {', '.join(map(str, places))})"
    speech_models = [model.name for model in PUBLIC_MODELS if model.zipped]
    if name_or_path in speech_models:
        raise M3erError(f"{searched}; get it with: m3er-edge models fetch {name_or_path}")
    raise M3erError(f"{searched}; {meant(name_or_path, [VOSK_TINY_EN.name, *speech_models, *_names_in(places)])}")


def named_or_best_speech_model(name_or_path: str | None) -> Path:
    """For a live run: the one that is named, as `find_speech_model` does; else the best at hand."""
    return best_speech_model() if name_or_path is None else find_speech_model(name_or_path)


def best_speech_model() -> Path:
    """For people who talk freely: an English public model that was fetched; else the small one that is shipped.

    English, because the text encoder that is shipped reads nothing else.
    """
    english = (model for model in PUBLIC_MODELS if model.zipped and model.language.startswith("English"))
    return next((path for model in english if (path := installed(model)) is not None), VOSK_TINY_EN)


def speech_model_places() -> list[Path]:
    """Folders that hold Vosk models, the first to be looked in first.

    $VOSK_MODEL_PATH is one folder, not a list, because it is so to Vosk's own Python package.
    """
    own = os.environ.get("VOSK_MODEL_PATH")
    return [
        *([Path(own)] if own else []),
        *model_folders(),
        Path.home() / ".cache/vosk",
        Path("/usr/share/vosk"),
        Path("/usr/share/vosk-models"),
        Path("/usr/local/share/vosk-models"),
    ]


def installed(model: PublicModel) -> Path | None:
    """Where a public model lies on this machine, if it does."""
    if model.installed_as == YUNET_FILE:
        path = find_yunet()
        return path if path is not None and path.is_file() else None
    return next((path for place in speech_model_places() if _is_folder(path := place / model.installed_as)), None)


def meant(name: str, known: Iterable[str]) -> str:
    """What a person may have meant by a name that is not known, and where to see all."""
    known = sorted(set(known))
    near = [other for other in known if name.lower() in other] or get_close_matches(name.lower(), known)
    return (f"did you mean {' or '.join(near[:3])}? " if near else "") + "m3er-edge models list shows what there is"


def _names_in(places: Iterable[Path]) -> list[str]:
    return [path.name for place in places if _is_folder(place) for path in place.iterdir() if _is_folder(path)]


def _is_folder(path: Path) -> bool:
    """Unlike `Path.is_dir`, no error for what may not be looked at; and only what can be read."""
    return os.access(path, os.R_OK | os.X_OK) and path.is_dir()


def _exists(path: Path) -> bool:
    return os.access(path, os.F_OK)
