"""Chance by counting: a number depends on seed, group, device, purpose and step, on nothing else.

So a device's numbers are the same alone and among a thousand. The mixer is SplitMix64's (Steele, Lea, Flood: "Fast
splittable pseudorandom number generators", OOPSLA 2014): whole numbers only.
"""

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_GOLDEN = 0x9E3779B97F4A7C15
_M1, _M2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_MASK64 = 2**64 - 1
_PURPOSES = 64
_21_BITS = np.uint64(2**21 - 1)


def number_of(*words: object) -> int:
    """64 bits that depend on the words' texts only."""
    return int.from_bytes(blake2b("/".join(map(str, words)).encode(), digest_size=8).digest(), "little")


def share_of(*words: object) -> float:
    """A number in [0, 1) that depends on the words' texts only."""
    return (number_of(*words) >> 11) / 2.0**53


class Chance:
    """The chance of a group's devices. purpose: 0 to 63, one for each thing that's drawn in a step."""

    def __init__(self, seed: int, group: str, devices: int) -> None:
        self._keys = np.array([number_of(seed, group, n) for n in range(devices)], np.uint64)

    def uniform(self, purpose: int, step: int) -> Floats:
        """In [0, 1), one a device."""
        return (self._bits(purpose, step) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def normal(self, purpose: int, step: int) -> Floats:
        """Mean 0, deviation 1, bounded by 3: the sum of three uniform numbers, as near to a bell as noise needs be."""
        bits = self._bits(purpose, step)
        total: NDArray[np.uint64] = (
            (bits & _21_BITS) + ((bits >> np.uint64(21)) & _21_BITS) + ((bits >> np.uint64(42)) & _21_BITS)
        )
        return (total.astype(np.float64) * 2.0**-21 - 1.5) * 2.0

    def around(self, value: float, spread: float, purpose: int) -> Floats:
        """One value a device for good: `value` give or take at most `spread` of it (0.05 = 5 %)."""
        return value * (1.0 + spread * (2.0 * self.uniform(purpose, 0) - 1.0))

    def _bits(self, purpose: int, step: int) -> NDArray[np.uint64]:
        count = np.uint64((step * _PURPOSES + purpose + 1) * _GOLDEN & _MASK64)
        z = self._keys + count
        z = (z ^ (z >> np.uint64(30))) * _M1
        z = (z ^ (z >> np.uint64(27))) * _M2
        return z ^ (z >> np.uint64(31))
