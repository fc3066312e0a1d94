"""Keep what is slow to compute, under a name made from everything it depends on."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]


def cached(folder: Path, name: str, depends_on: object, compute: Callable[[], Arrays]) -> Arrays:
    """The arrays of ``compute()``, read back if they were computed before from the same `depends_on` (JSON)."""
    digest = hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()[:16]
    path = folder / f"{name}-{digest}.npz"
    if path.exists():
        with np.load(path) as stored:
            return dict(stored)
    arrays = compute()
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".part{os.getpid()}.npz")
    np.savez(part, allow_pickle=False, **arrays)
    part.replace(path)
    return arrays


def source_digest(*modules: ModuleType) -> str:
    """Of the modules' source text: what was computed by older code is computed anew."""
    text = b"".join(Path(module.__file__ or "").read_bytes() for module in modules)
    return hashlib.sha256(text).hexdigest()


def cached_text(folder: Path, name: str, depends_on: object, compute: Callable[[], str]) -> str:
    """The same for a text, such as JSON."""
    stored = cached(folder, name, depends_on, lambda: {"text": np.frombuffer(compute().encode(), np.uint8)})
    return stored["text"].tobytes().decode()
