"""Dedupe keys: 64 bits of (device, message id), the same in every process and after every restart."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
_FEW = 8
_GAMMA, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_ALL = (1 << 64) - 1


def device_hash(device: str) -> int:
    """64 bits that stand for a device."""
    return int.from_bytes(blake2b(device.encode(), digest_size=8).digest(), "little")


def id_words(ids: Sequence[int | str]) -> Keys:
    """Each id as 64 bits: integers as they are (two's complement), text hashed. Shape (n,)."""
    if str in set(map(type, ids)):  # numpy would read `12` as a number: then its key hung on what came beside it
        return np.array([word_one(i) for i in ids], np.uint64)
    return np.fromiter(ids, np.int64, len(ids)).view(np.uint64)


def word_one(message_id: int | str) -> int:
    """As `id_words`, for one."""
    if isinstance(message_id, int):
        return message_id & _ALL
    return int.from_bytes(blake2b(message_id.encode(errors="surrogatepass"), digest_size=8).digest(), "little")


def mix(devices: Keys, ids: Keys) -> Keys:
    """The key of each message, never 0."""
    if len(ids) <= _FEW:
        pairs = zip(devices.tolist(), ids.tolist(), strict=True)
        return np.array([key_one(device, one) for device, one in pairs], np.uint64)
    keys = splitmix(devices ^ splitmix(ids))
    keys[keys == 0] = 1
    return keys


def key_one(device: int, word: int) -> int:
    """As `mix`, for one: plain integers beat columns when there are few."""
    return splitmix_one(device ^ splitmix_one(word & _ALL)) or 1


def splitmix(x: Keys) -> Keys:
    """SplitMix64's finaliser (Steele, Lea, Flood 2014): a bijection that spreads every bit."""
    x = x + np.uint64(_GAMMA)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(_FIRST)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(_SECOND)
    return x ^ (x >> np.uint64(31))


def splitmix_one(x: int) -> int:
    """As `splitmix`, for one."""
    x = (x + _GAMMA) & _ALL
    x = ((x ^ (x >> 30)) * _FIRST) & _ALL
    x = ((x ^ (x >> 27)) * _SECOND) & _ALL
    return x ^ (x >> 31)
