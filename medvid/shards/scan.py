"""Strict scanner: walks a shard header by header and names every damage it meets."""

import os
from collections.abc import Iterator
from pathlib import Path

from medvid.shards.naming import OrderCheck, OrderError
from medvid.shards.tar import ShardFile
from medvid.shards.ustar import BLOCK, END_OF_ARCHIVE, HeaderError, Member, padding, parse_header
from schemas.errors import ShardError
from schemas.hashing import file_sha256


def scan_tar(path: Path, *, name: str | None = None, part_file: bool = False) -> Iterator[Member]:
    """Yield the members of a shard in order, without reading payloads.

    Every byte outside the payloads is checked: headers must be exactly ours, padding and the two
    closing blocks zero, nothing may follow, and names must keep the format rules. A flipped bit
    inside a payload is for the file's SHA-256 to find.

    Args:
        path: The shard.
        name: What errors call it; its file name by default.
        part_file: Whether it is what a `PartWriter` wrote, without closing blocks.

    Raises:
        ShardError: At the first damage, naming shard, byte and member.
    """
    label = name or path.name
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise ShardError(f"cannot be opened: {error.strerror}.", source=label) from error
    try:
        yield from _Scan(fd, label, part_file=part_file).members()
    finally:
        os.close(fd)


def load_shard(path: Path, *, name: str | None = None) -> ShardFile:
    """Scan a shard and hash it: what its writer returned, from the bytes on disk.

    Raises:
        ShardError: It is absent or damaged outside its payloads.
    """
    members = tuple(scan_tar(path, name=name))
    return ShardFile(path.name, path.stat().st_size, file_sha256(path), members)


class _Scan:
    """One walk over one file."""

    def __init__(self, fd: int, label: str, *, part_file: bool) -> None:
        self._fd = fd
        self._label = label
        self._part_file = part_file
        self._size = os.fstat(fd).st_size
        self._order = OrderCheck()
        self._count = 0
        self._last = ""

    def members(self) -> Iterator[Member]:
        at = 0
        while not self._ends(at):
            member = self._member(at)
            yield member
            self._count, self._last = self._count + 1, member.name
            at = member.end
        if not self._count and not self._part_file:
            raise self._damage(0, "the archive has no member")
        try:
            self._order.finish()
        except OrderError as fault:
            raise self._damage(at, str(fault)) from fault

    def _ends(self, at: int) -> bool:
        if self._part_file:
            return at == self._size
        head = self._read(BLOCK, at)
        if head.strip(b"\0"):
            return False
        tail = head + self._read(BLOCK, at + BLOCK)
        if len(tail) < len(END_OF_ARCHIVE):
            raise self._damage(at, "the file ends without the two zero blocks that close it")
        if tail != END_OF_ARCHIVE:
            raise self._damage(at, "a zero block stands where a header belongs")
        if at + len(END_OF_ARCHIVE) != self._size:
            extra = self._size - at - len(END_OF_ARCHIVE)
            raise self._damage(at + len(END_OF_ARCHIVE), f"{extra} bytes follow the end")
        return True

    def _member(self, at: int) -> Member:
        block = self._read(BLOCK, at)
        if len(block) < BLOCK:
            raise self._damage(at, f"the file ends {BLOCK - len(block)} bytes short of a header")
        try:
            name, size = parse_header(block)
        except HeaderError as fault:
            raise self._damage(at, str(fault)) from fault
        member = Member(name, at + BLOCK, size)
        if member.end > self._size:
            missing = member.end - self._size
            raise self._damage(at, f"the file ends {missing} bytes before this member does", name)
        if self._read(padding(size), member.offset + size).strip(b"\0"):
            raise self._damage(member.offset + size, "the padding is not zero", name)
        try:
            self._order.add(name)
        except OrderError as fault:
            raise self._damage(at, str(fault), name) from fault
        return member

    def _read(self, count: int, at: int) -> bytes:
        try:
            return os.pread(self._fd, count, at) if count else b""
        except OSError as error:
            raise self._damage(at, f"cannot be read: {error.strerror}") from error

    def _damage(self, at: int, why: str, member: str | None = None) -> ShardError:
        where = f"member {self._count}" + (f" (after {self._last})" if self._last else "")
        return ShardError(
            f"at byte {at}, {where}: {why}.", source=self._label, field=member or self._last or None
        )
