"""Release files that must be refused: damaged by chance, altered by somebody, or made to do harm."""

import hashlib
import io
import json
import random
import stat
import struct
import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.update.archive import write_archive
from edge.update.release import RELEASE, SIGNATURE
from edge.update.signature import read_private_key, sign
from tests.made_release import Maker

MANIFEST = "bundle/manifest.json"
NET, OTHER_NET = "bundle/nets/face.onnx.fp32.onnx", "bundle/nets/speech.onnx.fp32.onnx"
Files = dict[str, bytes]


@dataclass(frozen=True)
class Base:
    """What the damage is done to.

    Attributes:
        good: a release file that would be installed.
        other: another good one, of another bundle.
        scratch: a file that may be written again and again.
    """

    good: Path
    other: Path
    maker: Maker
    stranger: Maker
    scratch: Path

    def files(self) -> Files:
        """The good release's files."""
        return contents(self.good)

    def packed(self, files: Mapping[str, bytes]) -> bytes:
        """A release file of the right form, whatever is in it."""
        write_archive(self.scratch, files)
        return self.scratch.read_bytes()

    def signed(self, files: Files, **changes: Any) -> bytes:
        """The same, with a changed release.json that is signed as it should be."""
        release = json.loads(files[RELEASE]) | changes
        return self.with_text(files, json.dumps({k: v for k, v in release.items() if v is not None}).encode())

    def with_text(self, files: Files, text: bytes, maker: Maker | None = None) -> bytes:
        """The same, with any text signed."""
        key = read_private_key((maker or self.maker).key)
        return self.packed({**files, RELEASE: text, SIGNATURE: sign(key, text)})

    def with_manifest(self, manifest: bytes, more: Files | None = None) -> bytes:
        """The same, with another manifest that the signature vouches for."""
        files = {**self.files(), MANIFEST: manifest, **(more or {})}
        return self.signed(files, manifest_sha256=hashlib.sha256(manifest).hexdigest())


def contents(release: Path) -> Files:
    """What is in a release file."""
    with zipfile.ZipFile(release) as zipped:
        return {name: zipped.read(name) for name in zipped.namelist()}


Damage = Callable[[Base, random.Random], bytes]

# --- by chance


def _bits(base: Base, rng: random.Random) -> bytes:
    raw = bytearray(base.good.read_bytes())
    with zipfile.ZipFile(base.good) as zipped:
        starts = [entry.header_offset for entry in zipped.infolist()]
    file = rng.randrange(len(starts))  # one of these, as likely as any other, however small it is
    begin, end = starts[file], [*starts, len(raw)][file + 1]
    for bit in rng.sample(range(8 * begin, 8 * end), rng.choice((1, 1, 1, 2, 8))):
        raw[bit // 8] ^= 1 << bit % 8
    return bytes(raw)


def _bits_between_the_files(base: Base, rng: random.Random) -> bytes:
    """Where a zip has what most programs never look at."""
    raw = bytearray(base.good.read_bytes())
    with zipfile.ZipFile(base.good) as zipped:
        starts = [entry.header_offset for entry in zipped.infolist()]
        starts.append(len(raw) - 22)
        begin = rng.choice([*starts, zipped.start_dir])
    raw[min(len(raw) - 1, begin + rng.randrange(46))] ^= 1 << rng.randrange(8)
    return bytes(raw)


def _truncated(base: Base, rng: random.Random) -> bytes:
    raw = base.good.read_bytes()
    return raw[: rng.choice((rng.randrange(len(raw)), len(raw) - rng.randint(1, 100)))]


def _longer(base: Base, rng: random.Random) -> bytes:
    raw, more = base.good.read_bytes(), rng.randbytes(rng.randint(1, 100))
    at = rng.choice((0, len(raw), rng.randrange(len(raw))))
    return raw[:at] + more + raw[at:]


def _sector_lost(base: Base, rng: random.Random) -> bytes:
    raw = bytearray(base.good.read_bytes())
    at = 512 * rng.randrange(len(raw) // 512)
    filling = rng.choice((b"\0", b"\xff", b"\xaa")) * 512
    if raw[at : at + 512] == filling:
        at = 0
    raw[at : at + 512] = filling
    return bytes(raw)


def _sectors_swapped(base: Base, rng: random.Random) -> bytes:
    raw = bytearray(base.good.read_bytes())
    one, two = (512 * n for n in rng.sample(range(len(raw) // 512), 2))
    raw[one : one + 512], raw[two : two + 512] = raw[two : two + 512], raw[one : one + 512]
    return bytes(raw) if bytes(raw) != base.good.read_bytes() else b""


def _something_else(base: Base, rng: random.Random) -> bytes:
    return rng.choice((b"", b"PK", b"PK\3\4", b"PK\5\6" + bytes(18), b"<html>", rng.randbytes(rng.randrange(5000))))


# --- altered by somebody who has no key


def _files_swapped(base: Base, rng: random.Random) -> bytes:
    files = base.files()
    one, two = rng.sample(sorted(files), 2)
    files[one], files[two] = files[two], files[one]
    return base.packed(files)


def _file_of_another(base: Base, rng: random.Random) -> bytes:
    files, other = base.files(), contents(base.other)
    name = rng.choice([name for name in files if files[name] != other[name]])
    return base.packed({**files, name: other[name]})


def _file_missing(base: Base, rng: random.Random) -> bytes:
    files = base.files()
    del files[rng.choice(sorted(files))]
    return base.packed(files)


def _file_extra(base: Base, rng: random.Random) -> bytes:
    name = rng.choice(("bundle/nets/more.onnx", "bundle/readme.txt", "bundle/a/b/c/d"))
    return base.packed({**base.files(), name: rng.randbytes(rng.randrange(100))})


def _manifest_edited(base: Base, rng: random.Random) -> bytes:
    files = base.files()
    manifest = json.loads(files[MANIFEST])
    manifest[rng.choice(("hop_s", "unknown_below", "ridge"))] = rng.random()
    return base.packed({**files, MANIFEST: json.dumps(manifest).encode()})


def _release_edited(base: Base, rng: random.Random) -> bytes:
    files = base.files()
    release = json.loads(files[RELEASE])
    release.update(rng.choice(({"version": 99}, {"boards": ["x"]}, {"name": "x"}, {"key": "0" * 16})))
    return base.packed({**files, RELEASE: json.dumps(release).encode()})


def _signature_of_nothing(base: Base, rng: random.Random) -> bytes:
    size = rng.choice((0, 1, 63, 64, 64, 64, 65, 1000))
    return base.packed({**base.files(), SIGNATURE: rng.choice((bytes(size), rng.randbytes(size)))})


def _wrong_key(base: Base, rng: random.Random) -> bytes:
    files = base.files()
    release = json.loads(files[RELEASE])
    release["key"] = rng.choice((base.maker.key_id, base.stranger.key_id))
    return base.with_text(files, json.dumps(release).encode(), base.stranger)


# --- signed, and still not for this device


def _older(base: Base, rng: random.Random) -> bytes:
    return base.signed(base.files(), version=rng.choice((1, 2, 3)))


def _impossible_release(base: Base, rng: random.Random) -> bytes:
    changes: list[dict[str, Any]] = [
        {"version": value} for value in (0, -1, True, 1e300, 2**70, "5", 5.5, None, [5], float("nan"))
    ]
    changes += [{"release_format": value} for value in (0, 2, "1", None)]
    changes += [{"surprise": 1}, {"boards": "all"}, {"boards": ["x"] * 5000}, {"name": "../x"}, {"name": None}]
    changes += [{"manifest_sha256": "0" * 64}, {"manifest_sha256": ""}, {"key": base.stranger.key_id}, {"key": ""}]
    changes += [{"boards": ["toaster"]}, {"name": "another"}, {"made": "x" * 1000}]
    return base.signed(base.files(), **rng.choice(changes))


def _impossible_text(base: Base, rng: random.Random) -> bytes:
    texts = [b"", b"[]", b"null", b"\xff\xfe", b"{" * 20_000, b"[" * 60_000, b" " * 70_000, b'{"version": 1']
    return base.with_text(base.files(), rng.choice([*texts, rng.randbytes(100)]))


def _impossible_manifest(base: Base, rng: random.Random) -> bytes:
    manifest = json.loads(base.files()[MANIFEST])
    entry = {"bytes": 1, "sha256": "0" * 64}
    names = ("../x", "/etc/passwd", "nets/../../x", "a\\b", "x\0y", "release.json", "manifest.json", "nets", "x" * 400)
    edit = rng.choice(("name", "huge", "nets", "text", "long", "version"))
    if edit == "name":
        manifest["files"][rng.choice(names)] = entry
    elif edit == "huge":
        manifest["files"]["tokens.txt"]["bytes"] = rng.choice((2**40, 2**70, -1))
    elif edit == "nets":
        manifest["nets"] = []
    elif edit == "version":
        manifest["format_version"] = rng.choice((1, 3, "2"))
    text = json.dumps(manifest).encode()
    if edit == "text":
        text = rng.choice((b"", b"[]", b"[" * 100_000, rng.randbytes(1000)))
    elif edit == "long":
        text += b" " * 2_000_000
    return base.with_manifest(text)


def _impossible_bundle(base: Base, rng: random.Random) -> bytes:
    """Everything fits together, and yet it does not work."""
    files = base.files()
    name = rng.choice((NET, OTHER_NET, "bundle/tables.safetensors", "bundle/tokens.txt", "bundle/selftest.safetensors"))
    raw = files[name]
    content = rng.choice((b"", rng.randbytes(500), raw[: len(raw) // 2], raw[:-1], contents(base.other)[name]))
    if content == raw or (name == "bundle/tokens.txt" and content == raw[:-1]):
        content = b""
    manifest = json.loads(files[MANIFEST])
    entry = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    manifest["files"][name.removeprefix("bundle/")] = entry
    return base.with_manifest(json.dumps(manifest).encode(), {name: content})


# --- zips that are made to do harm


def _zip_with(
    base: Base, name: str, content: bytes = b"x", edit: Callable[[zipfile.ZipInfo], object] = lambda _: None
) -> bytes:
    """As other programs make them; the good release's files are in it as well."""
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w") as zipped:
        warnings.simplefilter("ignore")  # of names that are twice in it
        for ours, data in base.files().items():
            zipped.writestr(zipfile.ZipInfo(ours), data)  # of no time, as ours are: what is wrong is what comes next
        entry = zipfile.ZipInfo(name)
        edit(entry)
        zipped.writestr(entry, content)
    return out.getvalue()


def _bad_name(base: Base, rng: random.Random) -> bytes:
    names = ["../x", "/etc/cron.d/x", "bundle/../../x", "..\\x", "C:\\x", "bundle/", "bundle//x", "./release.json"]
    names += ["bundle/.hidden", "bundle/ü", "bundle/" + "x/" * 50 + "y", "x" * 60_000, "release.json ", "RELEASE.JSON"]
    name = rng.choice(names)
    if rng.random() < 0.5 or not name.isascii() or len(name) > 200:
        return _zip_with(base, name)
    raw = base.packed({**base.files(), "bundle/" + "q" * len(name): b"x"})  # in the form of releases
    return raw.replace(b"bundle/" + b"q" * len(name), (name + "/" + "r" * 6).encode())


def _nul_or_bad_utf8_in_a_name(base: Base, rng: random.Random) -> bytes:
    raw = base.packed({**base.files(), "bundle/qqqq": b"x"})
    return raw.replace(b"bundle/qqqq", rng.choice((b"bundle/q\0qq", b"bundle/\xff\xfeqq", b"bundle/\xc3\x28q\0")))


def _twice(base: Base, rng: random.Random) -> bytes:
    name = rng.choice((RELEASE, SIGNATURE, MANIFEST, NET))
    if rng.random() < 0.5:
        return _zip_with(base, name)
    longer = name[:-1] + "q"  # in the form of releases
    return base.packed({**base.files(), longer: b"x"}).replace(longer.encode(), name.encode())


def _no_plain_file(base: Base, rng: random.Random) -> bytes:
    kind = rng.choice((stat.S_IFLNK, stat.S_IFDIR, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK))

    def edit(entry: zipfile.ZipInfo) -> None:
        entry.create_system, entry.external_attr = 3, (kind | 0o777) << 16

    if rng.random() < 0.5:
        return _zip_with(base, "bundle/link", b"/etc/passwd", edit)
    plain = struct.pack("<L", (stat.S_IFREG | 0o644) << 16)
    return base.good.read_bytes().replace(plain, struct.pack("<L", (kind | 0o644) << 16))


def _compressed(base: Base, rng: random.Random) -> bytes:
    """A bomb among them: 200 MB of zeros in 200 kB."""
    packing = rng.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    size = 200_000_000 if packing == zipfile.ZIP_DEFLATED and rng.random() < 0.2 else 1000
    return _zip_with(base, NET, bytes(size), lambda entry: setattr(entry, "compress_type", packing))


def _lying_size(base: Base, rng: random.Random) -> bytes:
    """A header that promises more, or less, than there is."""
    raw = bytearray(base.good.read_bytes())
    with zipfile.ZipFile(base.good) as zipped:
        at = rng.choice(zipped.infolist()).header_offset
    sizes = struct.pack("<2L", *[rng.choice((0, 1, 2**31, 2**32 - 1, rng.randrange(2**20)))] * 2)
    raw[at + 18 : at + 26] = sizes
    return bytes(raw)


def _thousands(base: Base, rng: random.Random) -> bytes:
    count = rng.choice((201, 1000, 70_000))
    if count < 2000:
        return base.packed({**base.files(), **{f"bundle/f{n}": b"" for n in range(count)}})
    header = struct.Struct("<4s5H3L2H")
    one = b"".join(
        header.pack(b"PK\3\4", 20, 0, 0, 0, 0x21, 0, 0, 0, 12, 0) + f"bundle/{n:05d}".encode() for n in range(count)
    )
    return one


def _zip64(base: Base, rng: random.Random) -> bytes:
    raw = base.good.read_bytes()
    end = bytearray(raw[-22:])
    end[8:12] = b"\xff" * 4
    locator = b"PK\6\7" + struct.pack("<LQL", 0, rng.choice((0, 2**63, len(raw) - 22)), 1)
    return raw[:-22] + rng.choice((b"", locator, bytes(56) + locator)) + bytes(end)


def _encrypted_comment_or_extra(base: Base, rng: random.Random) -> bytes:
    raw = bytearray(base.good.read_bytes())
    what = rng.choice(("flag", "comment", "extra"))
    if what == "flag":
        raw[6] |= rng.choice((1, 8, 0x41))
    elif what == "comment":
        raw[-2:] = struct.pack("<H", 5)
        raw += b"hello"
    else:
        return _zip_with(
            base, "bundle/x", b"x", lambda entry: setattr(entry, "extra", struct.pack("<2HQ", 1, 8, 2**60))
        )
    return bytes(raw)


DAMAGES: tuple[Damage, ...] = (
    _bits,
    _bits_between_the_files,
    _truncated,
    _longer,
    _sector_lost,
    _sectors_swapped,
    _something_else,
    _files_swapped,
    _file_of_another,
    _file_missing,
    _file_extra,
    _manifest_edited,
    _release_edited,
    _signature_of_nothing,
    _wrong_key,
    _older,
    _impossible_release,
    _impossible_text,
    _impossible_manifest,
    _impossible_bundle,
    _bad_name,
    _nul_or_bad_utf8_in_a_name,
    _twice,
    _no_plain_file,
    _compressed,
    _lying_size,
    _thousands,
    _zip64,
    _encrypted_comment_or_extra,
)
