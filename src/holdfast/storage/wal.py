"""Tells a damaged WAL from a power cut, which SQLite doesn't: its recovery ends silently at the first bad frame.

A bit flipped in the middle of a WAL so loses every commit after it, acked ones too, and nobody is told. But the
frames behind the bad one are still there, and with synchronous=FULL they are proof: a transaction is synced before
the next one begins, so a frame of transaction t+1 on disk says that t was wholly on disk once. A torn last
transaction, the normal trace of a power cut, has nothing behind it.

What counts as "of t+1": the WAL's checksum is a chain. Each frame stores the checksum of everything before it in
this WAL and of itself, so a frame that continues the chain from the commit frame of t was written after t, and by
the same process. Salts alone would not do: after a rollback or an earlier power cut, frames with the right salts
lie behind the end and belong to nobody. The chain is linear modulo 2^32, so numpy checks all frames at once
(SQLite, "WAL File Format", section 4.3). Checksums are over the bytes in the file: it works for encrypted
databases without the key.

A torn frame may have its commit flag from what lay there before, when a sector ends between the flag and the salts;
such a flag proves nothing, so that no power cut raises an alarm (sectors of 512 bytes, written whole or not at all).

Limits: damage in the last transaction on disk looks like a torn one, and so does one flipped into "no commit" in
the last but one; the database must not be on a VFS that pads transactions to whole sectors (ours doesn't).

Order at start: `inspect_wal`, `lost_transactions`, open the database. The WAL keeps the lost frames until the first
write after a checkpoint: copy it aside before, if it is to be studied.
"""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from holdfast.storage.errors import StorageUnusable
from holdfast.storage.sqlite import PAGE_SIZE

HEADER_BYTES = 32
FRAME_HEADER_BYTES = 24
SECTOR_BYTES = 512
MAGIC_LITTLE, MAGIC_BIG = 0x377F0682, 0x377F0683
CHUNK_BYTES = 8 << 20
_MASK = 0xFFFFFFFF

Words = npt.NDArray[np.uint32]
Flags = npt.NDArray[np.bool_]


def _none() -> Flags:
    return np.zeros(0, np.bool_)


@dataclass(frozen=True, eq=False)
class WalView:
    """What a WAL holds, frame by frame (index 0 is SQLite's frame 1).

    header_ok: the WAL's own header is whole; else SQLite ignores all of it.
    frames: frames of this WAL's generation, up to the last whose salts match.
    valid_frames: where SQLite's recovery ends: after the last commit before the first bad frame.
    commits: bool[frames], the last frame of a transaction.
    sure: bool[frames], that flag is of this generation even if the frame is torn.
    whole: bool[frames], the stored checksum is that of the frame's bytes.
    follows: bool[frames], the frame continues the chain of the one before, and so was written after it.
    """

    header_ok: bool = True
    frames: int = 0
    valid_frames: int = 0
    commits: Flags = field(default_factory=_none)
    sure: Flags = field(default_factory=_none)
    whole: Flags = field(default_factory=_none)
    follows: Flags = field(default_factory=_none)


def inspect_wal(path: Path) -> WalView:
    """Read the WAL beside a database, before SQLite opens it. Memory: 8 MiB and some bytes per frame.

    Raises:
        StorageUnusable: when it can't be read.
    """
    wal = path.with_name(path.name + "-wal")
    try:
        with wal.open("rb") as file:
            header = file.read(HEADER_BYTES)
            if len(header) < HEADER_BYTES:
                return WalView()
            return _view(header, *_read_frames(file, header))
    except FileNotFoundError:
        return WalView()
    except OSError as error:
        raise StorageUnusable(f"{wal} can't be read: {error.strerror}") from error


def lost_transactions(view: WalView) -> int:
    """How many whole transactions damage has cut off; 0 after a normal stop, kill or power cut.

    With a damaged WAL header it counts all transactions in the WAL; some may be in the main file already.
    """
    if not view.header_ok:
        return int(np.count_nonzero(view.commits))
    commits = np.flatnonzero(view.commits)
    commits = commits[commits >= view.valid_frames]
    has_next = commits[view.sure[commits] & (commits + 1 < view.frames)]
    proven = has_next[view.follows[has_next + 1]]
    if not len(proven):
        return 0
    lost = int(np.searchsorted(commits, proven[-1], side="right"))
    if lost < len(commits):  # the one after the last proven: nothing proves it, but its own bytes may
        after_first, end = int(proven[-1]) + 2, int(commits[lost]) + 1
        lost += bool(view.whole[after_first:end].all())
    return lost


def _read_frames(file: Any, header: bytes) -> tuple[Words, Words]:
    """Headers (uint32[n, 6], host order) of all frames, and what each adds to the chain (uint32[n, 2])."""
    page = _page_size(header)
    frame_words = (FRAME_HEADER_BYTES + page) // 4
    word = ">u4" if header[3] & 1 else "<u4"
    coefficients = _coefficients(page)
    heads, sums = [np.zeros((0, 6), np.uint32)], [np.zeros((0, 2), np.uint32)]
    while chunk := file.read(CHUNK_BYTES // (frame_words * 4) * frame_words * 4):
        count = len(chunk) // (frame_words * 4)
        raw = np.frombuffer(chunk, np.uint8, count * frame_words * 4).reshape(count, frame_words * 4)
        heads.append(raw[:, :FRAME_HEADER_BYTES].copy().view(">u4").astype(np.uint32))
        words = raw.view(word).astype(np.uint32, copy=False)
        sums.append(words @ coefficients)
    return np.concatenate(heads), np.concatenate(sums)


def _page_size(header: bytes) -> int:
    size = int.from_bytes(header[8:12], "big")
    is_possible = 512 <= size <= 65536 and size & (size - 1) == 0
    return size if is_possible else PAGE_SIZE


def _view(header: bytes, heads: Words, sums: Words) -> WalView:
    fields = np.frombuffer(header, ">u4").astype(np.uint32)
    header_ok = _header_is_whole(header, fields)
    if not len(heads):
        return WalView(header_ok=header_ok or not any(header))
    salts = fields[4:6] if header_ok else heads[0, 2:4]
    ours = (heads[:, 2:4] == salts).all(axis=1) & (heads[:, 2:4] != 0).any(axis=1)
    count = int(np.flatnonzero(ours)[-1]) + 1 if ours.any() else 0
    heads, sums, ours = heads[:count], sums[:count], ours[:count]
    stored = heads[:, 4:6]
    before = np.concatenate([fields[None, 6:8], stored])[:-1]
    advance = np.array(_power(_pairs(_page_size(header))), np.uint32).T
    computed = before @ advance + sums
    whole = (computed == stored).all(axis=1)
    # The frame before may be the damaged one: where its stored checksum is, the true one still leads on.
    true_before = np.concatenate([fields[None, 6:8], computed])[:-1]
    follows = ours & (whole | (true_before @ advance + sums == stored).all(axis=1))
    commits = heads[:, 1] != 0
    flag_ends = HEADER_BYTES + 8 + np.arange(count) * (FRAME_HEADER_BYTES + _page_size(header))
    sure = ours & (whole | (flag_ends % SECTOR_BYTES != 0))
    good = np.logical_and.accumulate(ours & whole)
    ends = np.flatnonzero(good & commits)
    valid = int(ends[-1]) + 1 if header_ok and len(ends) else 0
    return WalView(header_ok or not count, count, valid, commits, sure, whole & ours, follows)


def _header_is_whole(header: bytes, fields: Words) -> bool:
    if int(fields[0]) not in (MAGIC_LITTLE, MAGIC_BIG):
        return False
    order: Literal["big", "little"] = "big" if header[3] & 1 else "little"
    s0 = s1 = 0
    for at in range(0, 24, 8):
        s0 = (s0 + int.from_bytes(header[at : at + 4], order) + s1) & _MASK
        s1 = (s1 + int.from_bytes(header[at + 4 : at + 8], order) + s0) & _MASK
    return (s0, s1) == (int(fields[6]), int(fields[7]))


def _pairs(page: int) -> int:
    """Steps of the checksum per frame: it takes two words at a time, of the first 8 header bytes and the page."""
    return 1 + page // 8


@cache
def _power(exponent: int) -> list[list[int]]:
    """One step maps (s0, s1) to (s0 + s1 + a, s0 + 2 s1 + a + b): the matrix [[1, 1], [1, 2]], here to a power."""
    a, b, d = 1, 0, 1
    for _ in range(exponent):
        a, b, d = (a + b) & _MASK, (a + 2 * b) & _MASK, (b + 2 * d) & _MASK
    return [[a, b], [b, d]]


@cache
def _coefficients(page: int) -> Words:
    """uint32[words per frame, 2]: what each word of a frame adds to the two sums at its end."""
    steps = _pairs(page)
    table = np.zeros(((FRAME_HEADER_BYTES + page) // 4, 2), np.uint32)
    positions = [0, *range(FRAME_HEADER_BYTES // 4, len(table), 2)]
    a, b, d = 1, 0, 1
    for at in reversed(positions[:steps]):
        table[at] = (a + b) & _MASK, (b + d) & _MASK
        table[at + 1] = b, d
        a, b, d = (a + b) & _MASK, (a + 2 * b) & _MASK, (b + 2 * d) & _MASK
    return table
