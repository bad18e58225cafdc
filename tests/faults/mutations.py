"""Seeds to inputs that look like them, and like nothing: bytes flipped, pieces doubled, cut, joined and exchanged."""

from __future__ import annotations

import random
from collections.abc import Sequence

LONGEST_BYTES = 8192
NUMBERS = (b"0", b"-1", b"255", b"65536", b"2147483648", b"18446744073709551616", b"1e999", b"9" * 400, b"NaN", b"0x7f")
LIES = (
    b"\0",
    b"\xff",
    b"\0" * 8,
    b"\xff" * 8,
    b"\x7f",
    b"\x80",
    b"\xed\xa0\x80",
    b"\xe2\x80\xae",
    b"\x1b[2J",
    b"\r",
    b"\n",
)


def mutate(seeds: Sequence[bytes], words: Sequence[bytes], rng: random.Random) -> bytes:
    """One input: a seed with up to eight changes; now and then nothing but noise."""
    if rng.random() < 0.02:
        return rng.randbytes(rng.randrange(200))
    data = bytearray(rng.choice(seeds))
    for _ in range(1 + int(rng.expovariate(0.5))):
        at = rng.randrange(len(data) + 1)
        until = min(at + 1 + int(rng.expovariate(0.05)), len(data))
        change = rng.randrange(9)
        if change == 0 and data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
        elif change == 1:
            data[at:until] = b""
        elif change == 2:
            data[at:at] = data[at:until] * rng.choice((1, 2, 20))
        elif change == 3:
            data[at:until] = rng.choice(LIES)
        elif change == 4:
            data[at:until] = rng.choice(NUMBERS)
        elif change == 5 and words:
            data[at:at] = rng.choice(words)
        elif change == 6 and words:
            data[at:until] = rng.choice(words)
        elif change == 7:
            other = rng.choice(seeds)
            start = rng.randrange(len(other) + 1)
            data[at:until] = other[start : start + rng.randrange(200)]
        else:
            del data[at:]
    return bytes(data[:LONGEST_BYTES])
