"""A bundle for one board: the same model, with only the files that the board's profile chose."""

import shutil
from pathlib import Path

from edge.board import Board
from edge.bundle import NETS, SELFTEST, Bundle
from edge.nets import chosen
from edge.selftest.stored_file import only_of, read_stored, to_bytes
from export.bundle_writer import check_target, file_entry, take_place, write_manifest


def write_board_bundle(bundle: Bundle, board: Board, out: Path) -> None:
    """Write it at `out`, whole or not at all; an older bundle there is replaced.

    Raises:
        M3erError: the bundle lacks a file that the profile asks for, its self-test is malformed, or `out` is something
            else than a bundle.
    """
    check_target(out)
    kept = [chosen(bundle, name, board)[0] for name in NETS]
    dropped = {variant.file for variant in bundle.manifest.nets} - {variant.file for variant in kept}
    files = {name: entry for name, entry in bundle.manifest.files.items() if name not in dropped}
    part = out.with_name(out.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    for name in files:
        (part / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(bundle.folder / name, part / name)
    if SELFTEST in files:
        content = to_bytes(only_of(read_stored(bundle), kept))
        (part / SELFTEST).write_bytes(content)
        files[SELFTEST] = file_entry(content)
    write_manifest(part, bundle.manifest.model_copy(update={"nets": kept, "files": files}))
    take_place(part, out)
