"""One character of UTF-8 at a time, for kernels that work on bytes without making Python strings."""

from __future__ import annotations

from numba import uint32, uint64

from chimed.compiled import kernel


@kernel(inline=True)
def _tail(data, i):  # type: ignore[no-untyped-def]
    """The six bits of a continuation byte. An unsigned index spares numba's test for a negative one: half the time."""
    return uint32(uint32(data[uint64(i)]) & uint32(0x3F))


@kernel(inline=True)
def character(data, i):  # type: ignore[no-untyped-def]
    """Code point of the (valid) character that begins at byte i, and where the next one begins."""
    lead = uint32(data[uint64(i)])
    if lead < 0x80:
        code = lead
        i += 1
    elif lead < 0xE0:
        code = uint32((lead & 0x1F) << 6 | _tail(data, i + 1))
        i += 2
    elif lead < 0xF0:
        code = uint32((lead & 0x0F) << 12 | _tail(data, i + 1) << 6 | _tail(data, i + 2))
        i += 3
    else:
        high = uint32((lead & 0x07) << 18 | _tail(data, i + 1) << 12)
        code = uint32(high | _tail(data, i + 2) << 6 | _tail(data, i + 3))
        i += 4
    return code, i


@kernel(inline=True)
def longest(offsets):  # type: ignore[no-untyped-def]
    """Bytes of the longest text."""
    most = 0
    for row in range(offsets.size - 1):
        most = max(most, offsets[row + 1] - offsets[row])
    return most
