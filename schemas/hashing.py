"""Stable hashes: identities, content keys, and choices that one more video never reshuffles."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel

ID_HEX = 32
T = TypeVar("T")
_CHUNK = 1 << 20


def canonical_json(value: Any) -> bytes:  # noqa: ANN401 - the JSON edge
    """Encode as JSON with sorted keys; equal values give equal bytes."""
    return orjson.dumps(
        value, default=_plain, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS
    )


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, tuple | frozenset | set):
        return sorted(value) if isinstance(value, frozenset | set) else list(value)
    if isinstance(value, Path):
        raise TypeError(f"path {value} must not enter a hash: outputs name no place on a machine")
    raise TypeError(f"cannot hash a {type(value).__name__}")


def content_key(*parts: object) -> str:
    """Hash values into a 64-character hex key (SHA-256 of their canonical JSON)."""
    return hashlib.sha256(canonical_json(list(parts))).hexdigest()


def stable_id(*parts: str | int) -> str:
    """Hash a short tuple into a 32-character hex id (first half of SHA-256)."""
    text = "\x1f".join(map(str, parts))
    return hashlib.sha256(text.encode()).hexdigest()[:ID_HEX]


def hash_rank(seed: int, *parts: str | int) -> int:
    """Hash into a 64-bit integer to sort or cut by: a random choice without random state."""
    text = "\x1f".join(map(str, (seed, *parts)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def hash_choice(options: Sequence[T], seed: int, *parts: str | int) -> T:
    """Pick one of the options by hash of seed and stable id."""
    return options[hash_rank(seed, *parts) % len(options)]


def hash_order(items: Iterable[T], seed: int, *parts: str | int) -> list[T]:
    """Order items by hash of seed, stable id and the item's own text."""
    prefix = hashlib.blake2b("\x1f".join(map(str, (seed, *parts, ""))).encode(), digest_size=8)

    def rank(item: T) -> tuple[bytes, str]:
        digest, text = prefix.copy(), str(item)
        digest.update(text.encode())
        return digest.digest(), text  # big-endian: bytes stand in the order of `hash_rank`

    return sorted(items, key=rank)


def hash_fraction(seed: int, *parts: str | int) -> float:
    """Hash into [0, 1)."""
    return hash_rank(seed, *parts) / 2**64


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while chunk := handle.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
