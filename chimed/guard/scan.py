"""The inner loops of the guard, compiled: folding, rolling hashes, look-up, and which grams of an item a text holds."""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numpy as np
from numba import njit

GRAM = 13
HEAD = 2
"""A stem shorter than a 13-gram is looked for by its first two symbols and then compared whole."""

_BASE = np.uint64(0x9E3779B97F4A7C15)
_BEYOND = np.uint32(0x110000)


@njit(cache=True)
def _mixed(symbol):
    value = (np.uint64(symbol) + np.uint64(1)) * np.uint64(0xBF58476D1CE4E5B9)
    return value ^ (value >> np.uint64(31))


@njit(cache=True)
def _final(value):
    value = (value ^ (value >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    return value ^ (value >> np.uint64(33))


@njit(cache=True)
def window_hash(symbols, start, width):
    """Hash of `width` symbols from `start`."""
    value = np.uint64(0)
    for i in range(start, start + width):
        value = value * _BASE + _mixed(symbols[i])
    return _final(value)


@njit(cache=True)
def fold(codes, table, longer, out, edge):
    """Write the folded symbols of `codes` to `out`; returns how many. `edge`: something was dropped before this one."""
    n = 0
    apart = True
    for code in codes:
        symbol = table[code]
        if symbol == 0:
            apart = True
            continue
        edge[n] = apart
        apart = symbol == 1
        if symbol < _BEYOND:
            out[n] = symbol
            n += 1
            continue
        for part in longer[symbol - _BEYOND]:
            if part:
                out[n] = part
                n += 1
                edge[n] = False
    edge[n] = True
    return n


@njit(cache=True)
def gram_hashes(symbols, n, width, out):
    """Hash of every gram of `width` symbols; returns how many."""
    if n < width:
        return 0
    top = np.uint64(1)
    for _ in range(width):
        top *= _BASE
    value = np.uint64(0)
    for i in range(n):
        value = value * _BASE + _mixed(symbols[i])
        if i >= width:
            value -= _mixed(symbols[i - width]) * top
        if i >= width - 1:
            out[i - width + 1] = _final(value)
    return n - width + 1


@njit(cache=True)
def fill(keys, slots, bits):
    """Enter the distinct keys into an open-addressing table and a bitmap (sizes are powers of two)."""
    mask = np.uint64(len(slots) - 1)
    bit_mask = np.uint64(len(bits) * 64 - 1)
    for i in range(len(keys)):
        at = keys[i] & mask
        while slots[at] >= 0:
            at = (at + np.uint64(1)) & mask
        slots[at] = i
        bit = (keys[i] >> np.uint64(20)) & bit_mask
        bits[bit >> np.uint64(6)] |= np.uint64(1) << (bit & np.uint64(63))


@njit(cache=True)
def seek(symbols, n, width, keys, slots, bits, places, found):
    """Every gram of the text that is a key: its place in the text and the key's number; returns how many."""
    if n < width or len(keys) == 0:
        return 0
    mask = np.uint64(len(slots) - 1)
    bit_mask = np.uint64(len(bits) * 64 - 1)
    top = np.uint64(1)
    for _ in range(width):
        top *= _BASE
    value = np.uint64(0)
    count = 0
    for i in range(n):
        value = value * _BASE + _mixed(symbols[i])
        if i >= width:
            value -= _mixed(symbols[i - width]) * top
        if i < width - 1:
            continue
        key = _final(value)
        bit = (key >> np.uint64(20)) & bit_mask
        if not (bits[bit >> np.uint64(6)] >> (bit & np.uint64(63))) & np.uint64(1):
            continue
        at = key & mask
        while slots[at] >= 0:
            if keys[slots[at]] == key:
                places[count] = i - width + 1
                found[count] = slots[at]
                count += 1
                break
            at = (at + np.uint64(1)) & mask
    return count


@njit(cache=True)
def _touch(part, low, high, now, part_item, seen, span, items_seen, candidates, n):
    if seen[part] != now:
        seen[part] = now
        span[part, 0] = low
        span[part, 1] = high
    else:
        span[part, 0] = min(span[part, 0], low)
        span[part, 1] = max(span[part, 1], high)
    item = part_item[part]
    if items_seen[item] != now:
        items_seen[item] = now
        candidates[n] = item
        n += 1
    return n


@njit(cache=True)
def mark(places, found, count, post_at, posts, symbol_part, part_item, now, marks, seen, span, items_seen,
         candidates):  # fmt: skip
    """Mark in every item which of its grams the text holds; returns the number of items touched."""
    n = 0
    for hit in range(count):
        for i in range(post_at[found[hit]], post_at[found[hit] + 1]):
            marks[posts[i]] = now
            part = symbol_part[posts[i]]
            n = _touch(part, places[hit], places[hit] + GRAM, now, part_item, seen, span, items_seen, candidates, n)
    return n


@njit(cache=True)
def mark_short(symbols, edge, n_symbols, places, found, count, post_at, posts, part_length, whole, asks, part_item,
               now, complete, bounded, seen, span, items_seen, candidates, n):  # fmt: skip
    """The same for stems shorter than a gram, which must stand in the text whole (behind a key by rising length).

    `bounded`: a stem that asks something stands between punctuation, white space or ends of texts.
    """
    for hit in range(count):
        low = places[hit]
        value = np.uint64(0)
        width = 0
        for i in range(post_at[found[hit]], post_at[found[hit] + 1]):
            part = posts[i]
            if low + part_length[part] > n_symbols:
                break
            while width < part_length[part]:
                value = value * _BASE + _mixed(symbols[low + width])
                width += 1
            if _final(value) != whole[part]:
                continue
            complete[part] = now
            after = low + width
            if asks[part] and edge[low] and (after == n_symbols or edge[after] or symbols[after] == 1):
                bounded[part] = now
            n = _touch(part, low, after, now, part_item, seen, span, items_seen, candidates, n)
    return n
