"""Put a bundle on disk, whole or not at all."""

import hashlib
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.numpy

from edge.bundle import CARD, MANIFEST, SELFTEST, TABLES, TOKENS, FileEntry, Manifest, open_bundle
from edge.errors import M3erError
from edge.m3er.tables import Tables
from edge.perceive.tokens import Vocabulary
from export.stored_self_test import self_test_file


def check_target(out: Path) -> None:
    """Raise M3erError before hours of work if `out` cannot become a bundle: it exists and is none."""
    if out.exists() and not (out / MANIFEST).is_file():
        raise M3erError(f"{out}: exists and is not a bundle; name a new folder with --out")


def write_bundle(
    out: Path,
    nets: Path,
    tables: Tables,
    vocabulary: Vocabulary,
    card: str,
    manifest: dict[str, Any],
    beside: Mapping[str, bytes] | None = None,
    self_test: bool = False,
) -> None:
    """Assemble beside `out`, open it as the device would, then take `out`'s place.

    Args:
        out: the bundle's folder; an older bundle there is replaced.
        nets: folder with the net files and nothing else; copied.
        manifest: everything of the manifest but ``format_version``, ``files`` and ``commit``.
        beside: contents of more files by name, which the device checks and does not read.
        self_test: store inputs and this machine's answers, which every device is held against.
    """
    part = out.with_name(out.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    (part / "nets").mkdir()
    for net in nets.iterdir():  # not copytree: it would keep a private scratch folder's permissions
        shutil.copyfile(net, part / "nets" / net.name)
    (part / TABLES).write_bytes(safetensors.numpy.save(tables.to_arrays()))
    vocabulary.write(part / TOKENS)
    (part / CARD).write_text(card, encoding="utf-8")
    for name, content in (beside or {}).items():
        (part / name).write_bytes(content)
    files = {
        path.relative_to(part).as_posix(): file_entry(path.read_bytes())
        for path in sorted(part.rglob("*"))
        if path.is_file()
    }
    write_manifest(part, Manifest(format_version=2, files=files, commit=commit(), **manifest))
    if self_test:
        add_self_test(part)
    take_place(part, out)


def add_self_test(folder: Path) -> None:
    """Store a self-test in a bundle that nobody reads yet; an older one is replaced, all else stays as it is."""
    bundle = open_bundle(folder)
    content = self_test_file(bundle)
    (folder / SELFTEST).write_bytes(content)
    files = {**bundle.manifest.files, SELFTEST: file_entry(content)}
    write_manifest(folder, bundle.manifest.model_copy(update={"files": dict(sorted(files.items()))}))


def file_entry(content: bytes) -> FileEntry:
    """What the manifest says of a file."""
    return FileEntry(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """``manifest.json``."""
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")


def take_place(part: Path, out: Path) -> None:
    """Let a finished bundle take the place of whatever bundle is at `out`. Raises M3erError if it does not open."""
    open_bundle(part)  # the device's own eyes, before anything is replaced
    old = out.with_name(out.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    part.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def commit() -> str:
    """The commit of this code, with ``+changes`` if the tree differs; ``unknown`` outside a checkout."""
    here = Path(__file__).parent.parent

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changes = git("status", "--porcelain", "--", "edge/perceive", "edge/m3er", "export")
        return git("rev-parse", "HEAD") + ("+changes" if changes else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
