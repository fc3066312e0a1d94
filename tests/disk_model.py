"""What a disk may hold after a power cut: what was fsynced for sure, and of the rest whatever is worst."""

from dataclasses import dataclass, field
from pathlib import Path

from tests.real.file_operations import Operation


@dataclass
class _File:
    safe: bytes = b""


@dataclass
class _Link:
    target: str


@dataclass
class _Folder:
    now: dict[str, "_Entry"] = field(default_factory=dict)
    safe: dict[str, "_Entry"] = field(default_factory=dict)


_Entry = _File | _Link | _Folder
Tree = dict[str, "bytes | str | Tree"]
"""A folder's content: bytes, a link's target, or a folder."""


class Disk:
    """Follows the changes below a folder, whose content so far is on the disk for sure."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._top = _read(root)

    def hear(self, operation: Operation) -> None:
        """A change that is about to be made."""
        folder, name = self._parent(operation.path)
        there = self._top if operation.path == self._root else folder.now.get(name)
        match operation.name:
            case "open" if there is None:
                folder.now[name] = _File()
            case "mkdir" if there is None:
                folder.now[name] = _Folder()
            case "symlink":
                folder.now[name] = _Link(operation.other)
            case "rename":
                to, new_name = self._parent(Path(operation.other))
                to.now[new_name] = folder.now.pop(name)
            case "unlink" | "rmdir":
                folder.now.pop(name, None)
            case "fsync" if isinstance(there, _File):
                there.safe = operation.path.read_bytes()
            case "fsync" if isinstance(there, _Folder):
                there.safe = dict(there.now)

    def after_a_cut(self) -> list[Tree]:
        """The worst cases: nothing but what was fsynced; and all names, but of the data only what was fsynced."""
        return [_tree(self._top, names_too=False), _tree(self._top, names_too=True)]

    def _parent(self, path: Path) -> tuple[_Folder, str]:
        folder = self._top
        for name in path.parent.relative_to(self._root).parts if path != self._root else ():
            below = folder.now[name]
            assert isinstance(below, _Folder), path
            folder = below
        return folder, path.name


def write_tree(tree: Tree, folder: Path) -> None:
    """Make the folder with this content."""
    folder.mkdir()
    for name, entry in tree.items():
        if isinstance(entry, bytes):
            (folder / name).write_bytes(entry)
        elif isinstance(entry, str):
            (folder / name).symlink_to(entry)
        else:
            write_tree(entry, folder / name)


def _read(path: Path) -> _Folder:
    entries: dict[str, _Entry] = {}
    for below in path.iterdir():
        if below.is_symlink():
            entries[below.name] = _Link(str(below.readlink()))
        else:
            entries[below.name] = _read(below) if below.is_dir() else _File(below.read_bytes())
    return _Folder(dict(entries), entries)


def _tree(folder: _Folder, names_too: bool) -> Tree:
    tree: Tree = {}
    for name, entry in (folder.now if names_too else folder.safe).items():
        if isinstance(entry, _File):
            tree[name] = entry.safe
        elif isinstance(entry, _Link):
            tree[name] = entry.target
        else:
            tree[name] = _tree(entry, names_too)
    return tree
