"""USTAR headers, built and parsed by hand: 512 bytes that depend on name and size alone.

Layout of a header: IEEE Std 1003.1 (POSIX), `pax`, section "ustar Interchange Format". A file is
header, payload, zeros up to the next multiple of 512; two zero blocks end an archive.
"""

from typing import Final, NamedTuple

BLOCK: Final = 512
END_OF_ARCHIVE: Final = bytes(2 * BLOCK)
MAX_NAME: Final = 100
MAX_SIZE: Final = 8**11 - 1

_MODE: Final = b"0000644\0"
_ID: Final = b"0000000\0"
_MTIME: Final = b"00000000000\0"
_BEFORE_SIZE: Final = _MODE + _ID + _ID
_AFTER_CHECKSUM: Final = (
    b"0"  # a regular file
    + bytes(100)  # no link target
    + b"ustar\x0000"
    + bytes(32 + 32)  # no user or group name
    + bytes(8 + 8)  # no device numbers
    + bytes(155 + 12)  # no prefix
)
_CHECKSUM_AT: Final = 148
_SIZE_AT: Final = 124
_FIXED_SUM: Final = sum(_BEFORE_SIZE) + sum(_MTIME) + sum(b" " * 8) + sum(_AFTER_CHECKSUM)


class Member(NamedTuple):
    """One file inside a tar.

    Attributes:
        name: `<key>.<part>`.
        offset: First byte of the payload, from the start of the tar.
        size: Bytes of payload.
    """

    name: str
    offset: int
    size: int

    @property
    def key(self) -> str:
        """What the parts of one sample share."""
        return self.name.partition(".")[0]

    @property
    def part(self) -> str:
        """What tells the parts of one sample apart; also their format."""
        return self.name.partition(".")[2]

    @property
    def header_offset(self) -> int:
        """First byte of the header."""
        return self.offset - BLOCK

    @property
    def end(self) -> int:
        """First byte after the padding."""
        return self.offset + self.size + padding(self.size)


class HeaderError(ValueError):
    """A block that is no header of ours; its text says why."""


def padding(size: int) -> int:
    """Zeros between a payload of `size` bytes and the next block."""
    return -size % BLOCK


def header(name: bytes, size: int) -> bytes:
    """Build the header of a regular file: mode 0644, no owner, no time.

    Args:
        name: ASCII, at most `MAX_NAME` bytes.
        size: Bytes of payload, at most `MAX_SIZE`.
    """
    octal = b"%011o\0" % size
    checksum = _FIXED_SUM + sum(name) + sum(octal)
    return b"%s%s%s%s%06o\0 %s" % (
        name.ljust(MAX_NAME, b"\0"), _BEFORE_SIZE, octal, _MTIME, checksum, _AFTER_CHECKSUM,
    )  # fmt: skip


def parse_header(block: bytes) -> tuple[str, int]:
    """Return name and payload size of a header that `header` wrote.

    Raises:
        HeaderError: The checksum does not fit, a field is not octal, or a field that is fixed in
            our archives (type, mode, owner, time) differs.
    """
    if block[257:263] != b"ustar\0":
        raise HeaderError("no USTAR header where one belongs")
    stated = _octal(block[_CHECKSUM_AT : _CHECKSUM_AT + 8], "checksum")
    summed = sum(block) - sum(block[_CHECKSUM_AT : _CHECKSUM_AT + 8]) + sum(b" " * 8)
    if stated != summed:
        raise HeaderError(f"header checksum is {summed}, the header states {stated}")
    name = block[:MAX_NAME].rstrip(b"\0")
    size = _octal(block[_SIZE_AT : _SIZE_AT + 12], "size")
    try:
        text = name.decode("ascii")
    except UnicodeDecodeError as error:
        raise HeaderError(f"member name {name!r} is not ASCII") from error
    if header(name, size) != block:
        raise HeaderError(f"header of {text!r} has a type, mode, owner or time we never write")
    return text, size


def _octal(field: bytes, what: str) -> int:
    digits = field.rstrip(b"\0 ")
    if not digits or digits.strip(b"01234567"):
        raise HeaderError(f"{what} {field!r} is not octal")
    return int(digits, 8)
