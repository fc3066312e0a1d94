"""A signed release file from a bundle: ``NAME-VERSION.m3er``. For whoever makes bundles; no device needs it."""

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from edge.bundle import MANIFEST, open_bundle
from edge.errors import M3erError
from edge.update.archive import write_archive
from edge.update.release import BUNDLE, ENDING, RELEASE, SIGNATURE, Release


def release_file(name: str, version: int) -> str:
    """What a release file is called."""
    return f"{name}-{version}{ENDING}"


def make_release(bundle: Path, key: Path, version: int, boards: Sequence[str], out: Path | None) -> Path:
    """Sign a bundle and put it into one file; returns where.

    Args:
        bundle: its folder.
        key: ``NAME.key``, as ``m3er-export keygen`` makes it.
        version: at least 1, and larger than that of every release before it.
        boards: names of the boards it is for; none: all.
        out: None: ``NAME-VERSION.m3er`` in the working folder.

    Raises:
        M3erError: the bundle, the key or the version is not one, or the file cannot be written.
    """
    from edge.update.signature import key_id, read_private_key, sign

    private = read_private_key(key)
    opened = open_bundle(bundle)
    if not 1 <= version <= 2**53:
        raise M3erError(f"--version {version}: count up from 1")
    manifest_sha256 = opened.id.rpartition(":")[2]
    release = Release(
        release_format=1,
        name=opened.manifest.name,
        version=version,
        boards=list(boards),
        manifest_sha256=manifest_sha256,
        key=key_id(private.public_key()),
        made=datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z"),
    )
    text = release.model_dump_json(indent=1).encode() + b"\n"
    out = out or Path(release_file(release.name, version))
    try:
        files = {f"{BUNDLE}/{path}": (bundle / path).read_bytes() for path in (MANIFEST, *opened.manifest.files)}
        write_archive(out, {RELEASE: text, SIGNATURE: sign(private, text), **files})
    except OSError as error:
        raise M3erError(f"{error.filename or out}: cannot be written ({error.strerror})") from None
    return out
