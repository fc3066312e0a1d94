"""What a trained model is on disk, and how to open it: only if every checksum holds.

A bundle is a folder: ``manifest.json``, ``nets/``, ``tables.safetensors``, ``tokens.txt``, ``card.md``
and, mostly, ``selftest.safetensors``.
``m3er-export`` writes it, the device reads it; DESIGN is in the project's README.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import safetensors
import safetensors.numpy
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edge.engines.engine import EngineName, Precision
from edge.errors import M3erError
from edge.m3er.fusion import STATE
from edge.m3er.tables import MalformedTables, Tables
from edge.perceive.tokens import Vocabulary

FORMAT_VERSION = 2
MANIFEST = "manifest.json"
TABLES = "tables.safetensors"
TOKENS = "tokens.txt"
CARD = "card.md"
SELFTEST = "selftest.safetensors"
"""Optional: stored inputs and expected outputs; :mod:`edge.selftest`."""
NetName = Literal["face", "speech", "text", "fusion"]
NETS: tuple[NetName, ...] = ("face", "speech", "text", "fusion")
DEFAULT = Path(__file__).parent / "bundles" / "default"

_ANOTHER = "get the bundle again, or make one with `m3er-export bundle`"


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class FileEntry(_Record):
    """A file's size and checksum."""

    bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class NetVariant(_Record):
    """One file of a net: ``nets/<net>.<engine>.<precision>.<ending>``."""

    net: NetName
    engine: EngineName
    precision: Precision
    file: str
    inputs: dict[str, list[int]] = Field(description="shape of each input")
    parity: dict[str, float] = Field(
        default_factory=dict,
        description="how close it is: fp32 to the torch net, int8 to fp32; export/convert/parity.py",
    )


class DataEntry(_Record):
    """A corpus that the bundle learnt from."""

    name: str
    licence: str
    use: str


class Manifest(_Record):
    """Everything about a bundle that is not a table or a net."""

    format_version: Literal[2]
    name: str = Field(pattern="^[a-z0-9][a-z0-9._-]*$")
    labels: list[str] = Field(min_length=2)
    dim: int = Field(ge=2, le=1024)
    hop_s: float = Field(ge=0.05, le=10)
    check_window_steps: int = Field(ge=1, le=1000)
    minimum_quality: float = Field(ge=0, le=1)
    neighbours: int = Field(ge=1)
    ridge: float = Field(gt=0)
    unknown_below: float = Field(ge=0, le=1)
    log_mel: dict[str, float]
    face_side: int
    tokens: int
    state: dict[str, int] = Field(description="length of each part of the fusion step's state")
    nets: list[NetVariant]
    files: dict[str, FileEntry]
    data: list[DataEntry]
    metrics: dict[str, Any]
    commit: str

    @model_validator(mode="after")
    def _complete(self) -> "Manifest":
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels must differ from each other")
        if set(self.state) != set(STATE) or min(self.state.values()) < 1:
            raise ValueError(f"state must hold a length for each of {', '.join(STATE)}")
        listed = {variant.file for variant in self.nets}
        if {variant.net for variant in self.nets} != set(NETS):
            raise ValueError(f"nets must hold each of {', '.join(NETS)}")
        for path in (*listed, TABLES, TOKENS, CARD):
            if path not in self.files:
                raise ValueError(f"files lacks {path}")
        for path in self.files:
            if path.startswith("/") or ".." in Path(path).parts or "\\" in path or "\0" in path:
                raise ValueError(f"files: {path} leads out of the bundle")
        return self


@dataclass(frozen=True)
class Bundle:
    """An opened bundle: every file was there, unaltered and well-formed."""

    folder: Path
    manifest: Manifest
    tables: Tables
    vocabulary: Vocabulary
    id: str
    """``name@sha256:…`` over the manifest, and through its checksums over everything."""

    def variants(self, name: str) -> list[NetVariant]:
        """All files of a net."""
        return [variant for variant in self.manifest.nets if variant.net == name]

    def net(self, name: str, engine: EngineName | None = None, precision: Precision | None = None) -> NetVariant:
        """One file of a net; the first listed, which its maker measured to be best, where nothing is asked for.

        Raises:
            M3erError: the bundle does not have what is asked for.
        """
        there = self.variants(name)
        for variant in there:
            if engine in (None, variant.engine) and precision in (None, variant.precision):
                return variant
        raise M3erError(
            f"{self.folder}: has no {engine or ''} {precision or ''} file of the {name} net, only "
            f"{', '.join(f'{v.engine} {v.precision}' for v in there)}; choose anew with `m3er-edge bench --write`, "
            "or get a bundle with all variants"
        )

    def path(self, variant: NetVariant) -> Path:
        """Where a variant's file is."""
        return self.folder / variant.file


def open_bundle(folder: Path) -> Bundle:
    """Open a bundle. Raises M3erError, with the file's name, if anything is missing, extra, altered or malformed."""
    if not folder.is_dir():
        raise M3erError(f"{folder}: no such bundle folder; {_ANOTHER}")
    text = _read(folder / MANIFEST)
    manifest = read_manifest(folder / MANIFEST, text)
    _check_files(folder, manifest)
    try:
        tables = Tables.from_arrays(safetensors.numpy.load((folder / TABLES).read_bytes()))
    except (MalformedTables, safetensors.SafetensorError) as error:
        raise M3erError(f"{folder / TABLES}: {error}; {_ANOTHER}") from None
    except KeyError as error:  # safetensors knows number types that numpy lacks
        raise M3erError(f"{folder / TABLES}: holds numbers of type {error}; {_ANOTHER}") from None
    if tables.dim != manifest.dim:
        raise M3erError(f"{folder / TABLES}: features of {tables.dim} floats, the manifest says {manifest.dim}")
    digest = hashlib.sha256(text).hexdigest()
    return Bundle(folder, manifest, tables, Vocabulary.read(folder / TOKENS), f"{manifest.name}@sha256:{digest}")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise M3erError(f"{path}: cannot be read ({error.strerror}); {_ANOTHER}") from None


def read_manifest(path: Path, text: bytes) -> Manifest:
    """Parse ``manifest.json``. Raises M3erError, with `path`, if it is malformed."""
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "manifest"
        if first["type"] == "missing":
            raise M3erError(f"{path}: lacks {where}; {_ANOTHER}") from None
        if where == "format_version":
            raise M3erError(
                f"{path}: format version {first['input']!r}, this program reads version {FORMAT_VERSION}; "
                "update the program or get a bundle made for it"
            ) from None
        raise M3erError(f"{path}: {where}: {first['msg']}; {_ANOTHER}") from None


def _check_files(folder: Path, manifest: Manifest) -> None:
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    for name in sorted(found - set(manifest.files) - {MANIFEST}):
        raise M3erError(f"{folder / name}: not in the manifest; {_ANOTHER}")
    for name, entry in manifest.files.items():
        content = _read(folder / name)
        if len(content) != entry.bytes or hashlib.sha256(content).hexdigest() != entry.sha256:
            raise M3erError(f"{folder / name}: altered, its checksum is not the manifest's; {_ANOTHER}")
