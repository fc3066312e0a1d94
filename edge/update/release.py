"""What a release file holds beside the bundle: ``release.json``, the small text that is signed.

A release file is ``NAME-VERSION.m3er``, a zip::

    release.json    which bundle, which version, for which boards; the manifest's checksum
    release.sig     Ed25519 over release.json, 64 bytes
    bundle/…        the bundle's files; manifest.json holds the checksums of all others
"""

import hashlib
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.errors import M3erError

RELEASE = "release.json"
SIGNATURE = "release.sig"
BUNDLE = "bundle"
ENDING = ".m3er"
RELEASE_BYTES = 64 * 1024
SIGNATURE_BYTES = 64
SHIPPED_VERSION = 0
"""Of the bundle that comes with the program: every release is newer."""


class Release(BaseModel):
    """Which bundle this is, and for whom."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    release_format: Literal[1]
    name: str = Field(pattern="^[a-z0-9][a-z0-9._-]*$", max_length=100)
    version: int = Field(ge=1, le=2**53, strict=True, description="counts up from release to release")
    boards: list[str] = Field(max_length=100, description="names of the boards it is for; empty: all")
    manifest_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    key: str = Field(pattern="^[0-9a-f]{16}$", description="id of the key that signed it")
    made: str = Field(max_length=40, description="wall-clock time, UTC, ISO 8601 with Z; for people alone")

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def read_release(text: bytes, where: str) -> Release:
    """Parse ``release.json``. Raises M3erError, with `where`, if it is malformed."""
    try:
        return Release.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        if field == "release_format":
            raise M3erError(
                f"{where}: release format {first['input']!r}, this program reads format 1; update the program first"
            ) from None
        raise M3erError(
            f"{where}: {RELEASE}: {f'{field}: ' if field else ''}{first['msg']}; get the file again"
        ) from None


def release_id(text: bytes) -> str:
    """Tells one release from any other: SHA-256 of ``release.json``."""
    return hashlib.sha256(text).hexdigest()
