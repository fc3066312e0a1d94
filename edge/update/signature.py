"""Ed25519: a key pair for whoever makes releases, pinned public keys on the device. ``cryptography`` does the work.

Imported only where something is signed or checked: the library takes a tenth of a second to load.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from edge.errors import M3erError

_DOMAIN = b"m3er-edge release 1\n"
"""In front of what is signed: the key's signature on anything else is none on a release."""
_LARGEST_KEY_BYTES = 10_000


def key_id(key: Ed25519PublicKey) -> str:
    """A key's name in ``release.json`` and in messages: 16 digits of its SHA-256."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def write_key_pair(out: Path) -> tuple[Path, Path, str]:
    """Make ``NAME.key``, to be kept secret, and ``NAME.pub``, for the devices; returns both and the key's id.

    Raises:
        M3erError: one of them exists (a key is never overwritten), or cannot be written.
    """
    secret, public = out.with_name(out.name + ".key"), out.with_name(out.name + ".pub")
    key = Ed25519PrivateKey.generate()
    pem = serialization.Encoding.PEM
    private_text = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public_text = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    if public.exists():
        raise M3erError(f"{public}: exists, and a key is never overwritten; choose another name")
    try:
        secret.parent.mkdir(parents=True, exist_ok=True)
        for path, text, mode in ((secret, private_text, 0o600), (public, public_text, 0o644)):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(descriptor, "wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
    except FileExistsError as error:
        raise M3erError(f"{error.filename}: exists, and a key is never overwritten; choose another name") from None
    except OSError as error:
        raise M3erError(f"{error.filename}: cannot be written ({error.strerror})") from None
    return secret, public, key_id(key.public_key())


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """The key to sign with. Raises M3erError if the file holds none."""
    try:
        key = serialization.load_pem_private_key(_read(path), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise M3erError(f"{path}: no private key ({error}); make one with `m3er-export keygen`") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise M3erError(f"{path}: not an Ed25519 key; make one with `m3er-export keygen`")
    return key


def pinned_keys(folder: Path) -> dict[str, Ed25519PublicKey]:
    """The public keys in ``*.pub`` files, by id. Raises M3erError if there is none, or one is malformed."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".pub")
    except FileNotFoundError:
        paths = []
    except OSError as error:
        raise M3erError(f"{folder}: cannot be read ({error.strerror})") from None
    if not paths:
        raise M3erError(
            f"{folder}: no public key, so no release can be trusted; copy the maker's NAME.pub there "
            "(`m3er-export keygen` makes NAME.key and NAME.pub)"
        )
    keys = {}
    for path in paths:
        try:
            key = serialization.load_pem_public_key(_read(path))
        except (ValueError, UnsupportedAlgorithm):
            raise M3erError(f"{path}: no public key (PEM); copy it again, or remove it") from None
        if not isinstance(key, Ed25519PublicKey):
            raise M3erError(f"{path}: not an Ed25519 key; make one with `m3er-export keygen`")
        keys[key_id(key)] = key
    return keys


def sign(key: Ed25519PrivateKey, text: bytes) -> bytes:
    """The signature of a release's text, 64 bytes."""
    return key.sign(_DOMAIN + text)


def signer(text: bytes, signature: bytes, keys: Mapping[str, Ed25519PublicKey], where: str) -> str:
    """The id of the pinned key that signed the text. Raises M3erError if none did."""
    for name, key in keys.items():
        try:
            key.verify(signature, _DOMAIN + text)
        except InvalidSignature:
            continue
        return name
    raise M3erError(
        f"{where}: not signed by a key that this device trusts ({', '.join(keys)}); get the file again, or copy its "
        "maker's public key to the device"
    )


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST_KEY_BYTES + 1)
    except OSError as error:
        raise M3erError(f"{path}: cannot be read ({error.strerror})") from None
    if len(text) > _LARGEST_KEY_BYTES:
        raise M3erError(f"{path}: no key, far too large")
    return text
