"""Deterministic tar writer: fixed header fields, checksum and index as a by-product of writing."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from medvid.shards.aside import AsideFile
from medvid.shards.naming import OrderCheck, OrderError
from medvid.shards.ustar import BLOCK, END_OF_ARCHIVE, MAX_SIZE, Member, header, padding
from schemas.errors import ShardError

_BUFFER: Final = 1 << 20
_LARGE: Final = 1 << 18
_COPY: Final = 4 << 20
_ZEROS: Final = bytes(BLOCK)

Payload = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class ShardFile:
    """A finished shard.

    Attributes:
        name: File name without its folder.
        size: Bytes of the whole file.
        sha256: Hex digest of the whole file.
        members: Its files in order, with the place of each payload.
    """

    name: str
    size: int
    sha256: str
    members: tuple[Member, ...]

    @property
    def sample_count(self) -> int:
        """Number of distinct keys."""
        if not self.members:
            return 0
        first = self.members[0].key
        per_sample = sum(1 for _ in takewhile(lambda member: member.key == first, self.members))
        return len(self.members) // per_sample


class PartWriter:
    """Writes the members of one video: a tar without its end, to be joined by `concatenate`.

    Every file appears whole or not at all. Leaving the context without an error closes the file,
    leaving it with one removes what was written.
    """

    _end: bytes = b""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._aside = AsideFile(path)
        self._order = OrderCheck()
        self._members: list[Member] = []
        self._digest = hashlib.sha256()
        self._buffer = memoryview(bytearray(_BUFFER))
        self._fill = 0
        self._flushed = 0
        self._done: ShardFile | None = None
        self._broken: ShardError | None = None

    def __enter__(self) -> Self:
        self._aside.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.close()
        finally:
            self._aside.discard()

    @property
    def members(self) -> tuple[Member, ...]:
        """What was added so far."""
        return tuple(self._members)

    def add(self, name: str, payload: Payload) -> Member:
        """Append a file.

        Args:
            name: `<key>.<part>`, see `medvid.shards.naming`.
            payload: Its content; the caller may reuse the buffer once the call returns.

        Returns:
            Where the payload lies in the file.

        Raises:
            ShardError: The name or its place breaks a format rule, the payload is over 8 GiB, or
                the disk is full.
        """
        view = payload.cast("B") if isinstance(payload, memoryview) else payload
        size = len(view)
        if size > MAX_SIZE:
            raise self._refused(f"{size} bytes of {name!r} do not fit a USTAR header")
        self._follow(name)
        pad = padding(size)
        if size >= _LARGE:
            self._put(header(name.encode(), size))
            self._write_through(view)
            offset = self._flushed - size
            self._put(_ZEROS[:pad])
        else:
            if self._fill + BLOCK + size + pad > _BUFFER:
                self._flush()
            begin = self._fill + BLOCK
            end = begin + size
            self._buffer[self._fill : begin] = header(name.encode(), size)
            self._buffer[begin:end] = view
            self._buffer[end : end + pad] = _ZEROS[:pad]
            self._fill = end + pad
            offset = self._flushed + begin
        member = Member(name, offset, size)
        self._members.append(member)
        return member

    def close(self) -> ShardFile:
        """Finish the file and give it its name; calling it again returns the same.

        Raises:
            ShardError: The last sample lacks a part, a tar would be empty, or the disk is full.
        """
        if self._broken is not None:
            raise self._broken
        if self._done is None:
            self._finish_order()
            if self._end and not self._members:
                raise self._refused("a shard without members makes some loaders hang")
            self._put(self._end)
            self._flush()
            self._aside.commit()
            self._done = ShardFile(
                self.path.name, self._flushed, self._digest.hexdigest(), tuple(self._members)
            )
        return self._done

    def _follow(self, name: str) -> None:
        if self._broken is not None:
            raise self._broken
        if self._done is not None:
            raise self._refused(f"{name!r} comes after the file was closed")
        try:
            self._order.add(name)
        except OrderError as fault:
            raise self._refused(str(fault)) from fault

    def _finish_order(self) -> None:
        try:
            self._order.finish()
        except OrderError as fault:
            raise self._refused(str(fault)) from fault

    def _put(self, block: bytes) -> None:
        if self._fill + len(block) > _BUFFER:
            self._flush()
        self._buffer[self._fill : self._fill + len(block)] = block
        self._fill += len(block)

    def _flush(self) -> None:
        full, self._fill = self._buffer[: self._fill], 0
        self._send(full)

    def _write_through(self, block: Payload) -> None:
        self._flush()
        self._send(block)

    def _send(self, block: Payload) -> None:
        self._digest.update(block)
        try:
            self._aside.write(block)
        except ShardError as error:
            self._broken = error  # a caller that goes on must not publish a file with a hole
            self._aside.discard()
            raise
        self._flushed += len(block)

    def _refused(self, why: str) -> ShardError:
        return ShardError(f"{why}.", source=self.path.name, action="Nothing was written under it.")


class TarWriter(PartWriter):
    """Writes one shard: a USTAR archive that depends on names and payloads alone."""

    _end = END_OF_ARCHIVE

    def append_part(self, path: Path, members: Sequence[Member]) -> None:
        """Append a part file, in large blocks.

        Each header is compared with the one its member would get, so that a part file that is not
        the one its members describe is refused.

        Args:
            path: What a `PartWriter` wrote.
            members: Its members, as that writer returned them.

        Raises:
            ShardError: The part file is absent or does not hold these members, or a member breaks
                a format rule where it stands now.
        """
        try:
            fd = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise _bad_part(path, f"cannot be opened: {error.strerror}") from error
        try:
            _check_extent(path, os.fstat(fd).st_size, members)
            for group in _groups(members):
                self._append_group(path, fd, group)
        finally:
            os.close(fd)

    def _append_group(self, path: Path, fd: int, group: Sequence[Member]) -> None:
        start = group[0].header_offset
        block = os.pread(fd, group[-1].end - start, start)
        shift = self._flushed + self._fill - start
        for member in group:
            at = member.header_offset - start
            if block[at : at + BLOCK] != header(member.name.encode(), member.size):
                raise _bad_part(path, f"member {member.name!r} is not at byte {member.offset}")
            self._follow(member.name)
            self._members.append(member._replace(offset=member.offset + shift))
        self._write_through(block)


def concatenate(parts: Sequence[tuple[Path, Sequence[Member]]], out: Path) -> ShardFile:
    """Join part files into one shard, byte for byte what a `TarWriter` would have written.

    Args:
        parts: Part files with their members, in any order: they are laid in the order of their
            first keys. Parts without members are passed over.
        out: The shard.

    Raises:
        ShardError: A part file does not hold its members, the keys of two parts overlap, no part
            has a member, or the disk is full.
    """
    filled = [part for part in parts if part[1]]
    with TarWriter(out) as tar:
        for path, members in sorted(filled, key=lambda part: part[1][0].key):
            tar.append_part(path, members)
        return tar.close()


def _groups(members: Sequence[Member]) -> Iterator[Sequence[Member]]:
    """Split members into runs of about `_COPY` bytes."""
    first = 0
    for i, member in enumerate(members):
        if member.end - members[first].header_offset >= _COPY:
            yield members[first : i + 1]
            first = i + 1
    if first < len(members):
        yield members[first:]


def _check_extent(path: Path, size: int, members: Sequence[Member]) -> None:
    end = 0
    for member in members:
        if member.header_offset != end:
            raise _bad_part(path, f"member {member.name!r} does not follow the one before it")
        end = member.end
    if size != end:
        raise _bad_part(path, f"has {size} bytes, its members make {end}")


def _bad_part(path: Path, why: str) -> ShardError:
    return ShardError(
        f"part file {why}.", source=path.name, action="Remove it; the build makes it again."
    )
