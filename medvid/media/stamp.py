"""A frame's number painted into its picture, to prove which frame a decoder returned.

The number's 16 bits stand as black and white blocks in two rows along the upper edge, the second
row inverted, so that a picture that lost its stamp is told from one with another number. Blocks
this size survive any codec at any sensible quality.
"""

import numpy as np
import numpy.typing as npt

BITS = 16
MAX_NUMBER = (1 << BITS) - 1


def stamp_number(rgb: npt.NDArray[np.uint8], number: int) -> None:
    """Paint a number into a picture, in place.

    Args:
        rgb: Picture (h, w, 3), at least 64 pixels wide.
        number: 0 to 65,535.

    Raises:
        ValueError: The number does not fit 16 bits or the picture is too small.
    """
    side = _block_side(rgb)
    if not 0 <= number <= MAX_NUMBER:
        raise ValueError(f"number {number} does not fit {BITS} bits")
    bits = np.array([number >> bit & 1 for bit in range(BITS)], dtype=np.uint8)
    rows = np.stack([bits, 1 - bits]) * np.uint8(255)
    rgb[: 2 * side, : BITS * side] = rows.repeat(side, axis=0).repeat(side, axis=1)[..., None]


def read_number(rgb: npt.NDArray[np.uint8]) -> int | None:
    """Read the number painted into a picture (h, w, 3); None where there is none."""
    side = _block_side(rgb)
    blocks = rgb[: 2 * side, : BITS * side, 1].reshape(2, side, BITS, side)
    margin = side // 4
    means = blocks[:, margin : side - margin, :, margin : side - margin].mean(axis=(1, 3))
    bits, inverse = means > 127
    if bool((bits == inverse).any()):
        return None
    return int((bits.astype(np.int64) << np.arange(BITS)).sum())


def _block_side(rgb: npt.NDArray[np.uint8]) -> int:
    side = rgb.shape[1] // BITS
    if side < 4 or rgb.shape[0] < 2 * side:
        raise ValueError(f"a {rgb.shape[1]}x{rgb.shape[0]} picture is too small for a stamp")
    return side
