"""Rebuilds the disk as a power cut may leave it, at every event of a `Log`, in several variants.

    for image in images(log, seeds=range(3)):
        image.write_to(directory)            # before the next image is asked for
        ...open it, compare with image.marks...

At index k the first k events have happened. What was synced is there. What was not is, by variant:

- KEPT: all there (a mere crash of the process);
- DROPPED: none of it;
- TORN (one per seed): each write kept, dropped or torn at sectors of 512 bytes; each truncation kept or dropped;
  creations and deletions of a name kept up to some point, in order.

Where nothing was pending the three are the same, and only KEPT is given. The builder keeps the synced bytes of every
file and applies events as k grows, so a step costs what changed, and an image the size of its files.
"""

import os
import random
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from hashlib import blake2b
from pathlib import Path
from time import perf_counter
from typing import Any

from tests.powerloss.vfs import Event, Kind, Log

SECTOR = 512
_NAMES = (Kind.CREATE, Kind.DELETE, Kind.LINK)


class Variant(Enum):
    """What became of the writes that were not synced."""

    KEPT = "all kept"
    DROPPED = "all dropped"
    TORN = "some kept, some torn"


@dataclass(frozen=True)
class Image:
    """One state of the disk. `marks` are all marks before the cut, oldest first; don't change it.

    Its files are the builder's own buffers: good until the next image is asked for.
    """

    index: int
    variant: Variant
    seed: int
    files: dict[str, bytearray]
    marks: list[Any]

    def __str__(self) -> str:
        return f"event {self.index}, {self.variant.value}, seed {self.seed}"

    def digest(self) -> bytes:
        """A hash over all names and bytes."""
        total = blake2b(digest_size=16)
        for name in sorted(self.files):
            total.update(f"{name}\0{len(self.files[name])}\0".encode())
            total.update(self.files[name])
        return total.digest()

    def write_to(self, directory: Path) -> None:
        """Make the directory hold exactly these files."""
        home = str(directory)
        with os.scandir(home) as found:  # many thousand times: pathlib would be a fifth of the run
            for name in [entry.name for entry in found if entry.name not in self.files]:
                os.remove(f"{home}/{name}")  # noqa: PTH107
        for name, data in self.files.items():
            handle = os.open(f"{home}/{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                left = memoryview(data)
                while left:
                    left = left[os.write(handle, left) :]
            finally:
                os.close(handle)


@dataclass
class _File:
    """One name: its bytes if nothing unsynced survives, if everything does, and what lies between."""

    synced: bytearray | None = None
    live: bytearray | None = None
    pending: list[Event] = field(default_factory=list)

    def apply(self, event: Event) -> None:
        self.live = _applied(self.live, event)
        self.pending.append(event)

    def sync(self) -> None:
        for event in self.pending:
            self.synced = _applied(self.synced, event)
        self.pending.clear()

    def sync_failed(self) -> None:
        """The pages are marked clean: still readable, and no later sync writes them. Names are a file's own matter."""
        self.pending = [event for event in self.pending if event.kind in _NAMES]

    def sync_name(self) -> None:
        """The name is as it is now; the bytes written since are still only pending."""
        last = max((i for i, event in enumerate(self.pending) if event.kind in _NAMES), default=None)
        if last is not None:
            self.synced = _applied(self.synced, self.pending[last])
            del self.pending[: last + 1]

    def torn(self, rng: random.Random) -> bytearray | None:
        """One of the states that a cut may leave."""
        names_kept = rng.randint(0, sum(event.kind in _NAMES for event in self.pending))
        data = None if self.synced is None else bytearray(self.synced)
        for event in self.pending:
            if event.kind in _NAMES:
                if not names_kept:
                    break  # what follows went to a file that has no name
                names_kept -= 1
                data = _applied(data, event)
            elif data is not None:
                _tear(data, event, rng)
        return data


class _Disk:
    def __init__(self) -> None:
        self.files: dict[str, _File] = {}

    def apply(self, event: Event) -> None:
        match event.kind:
            case Kind.MARK:
                return
            case Kind.SYNC_NAMES:
                self._sync_names(event.file)
            case Kind.SYNC:
                self.files[event.file].sync()
            case Kind.SYNC_FAILED:
                self.files[event.file].sync_failed()
            case Kind.SWAP:
                self._swap(event.value)
            case Kind.PRESENT:
                self.files[event.file] = _File(bytearray(event.data), bytearray(event.data))
            case _:
                self.files.setdefault(event.file, _File()).apply(event)

    def _sync_names(self, directory: str) -> None:
        for name, file in self.files.items():
            if directory_of(name) == directory:
                file.sync_name()

    def _swap(self, pairs: list[tuple[str, str]]) -> None:
        for one, other in pairs:
            first, second = self.files.pop(one, _File()), self.files.pop(other, _File())
            self.files |= {one: second, other: first}

    @property
    def is_pending(self) -> bool:
        return any(file.pending for file in self.files.values())

    def live(self) -> dict[str, bytearray]:
        return {name: file.live for name, file in self.files.items() if file.live is not None}

    def synced(self) -> dict[str, bytearray]:
        return {name: file.synced for name, file in self.files.items() if file.synced is not None}

    def torn(self, rng: random.Random) -> dict[str, bytearray]:
        found: dict[str, bytearray] = {}
        for name, file in self.files.items():
            if (data := file.torn(rng) if file.pending else file.live) is not None:
                found[name] = data
        return found


def images(log: Log, seeds: Iterable[int] = (0,), indices: Container[int] | None = None) -> Iterator[Image]:
    """All images of a log; `indices` picks some of 0..len(events), for sharing the work between processes."""
    disk, marks, seeds = _Disk(), [], list(seeds)
    for index in range(len(log.events) + 1):
        if index:
            event = log.events[index - 1]
            disk.apply(event)
            if event.kind is Kind.MARK:
                marks.append(event.value)
        if indices is not None and index not in indices:
            continue
        yield Image(index, Variant.KEPT, 0, disk.live(), marks)
        if disk.is_pending:
            yield Image(index, Variant.DROPPED, 0, disk.synced(), marks)
            for seed in seeds:
                rng = random.Random(f"{index}/{seed}")
                yield Image(index, Variant.TORN, seed, disk.torn(rng), marks)


@dataclass
class Tally:
    """What `check_all` did. `images` are all states of the disk, `distinct` those that had to be looked at."""

    images: int = 0
    distinct: int = 0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Images per second."""
        return self.images / self.seconds if self.seconds else 0.0


def check_all(
    log: Log,
    directory: Path,
    check: Callable[[Path, Image], None],
    seeds: Iterable[int] = (0,),
    indices: Container[int] | None = None,
) -> Tally:
    """Lay every image into `directory` (best in RAM: /dev/shm) and check it; a failure names its image.

    The same bytes under the same marks are checked once: a third of all images repeat another, as every write between
    two syncs leaves the same when all of it is dropped.

    Raises:
        AssertionError: the first that `check` raised, with the image's index, variant and seed in front.
    """
    tally, start = Tally(), perf_counter()
    seen: set[tuple[bytes, int, bool]] = set()
    for image in images(log, seeds, indices):
        tally.images += 1
        # Marks only grow, so their number says which they are; a check may ask more of what a mere kill leaves.
        state = (image.digest(), len(image.marks), image.variant is Variant.KEPT)
        if state in seen:
            continue
        seen.add(state)
        image.write_to(directory)
        try:
            check(directory, image)
        except Exception as error:
            raise AssertionError(f"{image}: {error}") from error
    tally.distinct = len(seen)
    tally.seconds = perf_counter() - start
    return tally


def directory_of(name: str) -> str:
    """The directory of a file: images are flat, and have `%` where a path has `/`."""
    return name.rpartition("%")[0]


def _applied(data: bytearray | None, event: Event) -> bytearray | None:
    if event.kind is Kind.DELETE:
        return None
    if event.kind is Kind.CREATE:
        return bytearray()
    if event.kind is Kind.LINK:
        return bytearray(event.data)
    if data is None:
        raise ValueError(f"{event.kind.value} to {event.file}, which has no name")
    if event.kind is Kind.TRUNCATE:
        _resize(data, event.at)
    else:
        _put(data, event.at, event.data)
    return data


def _put(data: bytearray, at: int, piece: bytes) -> None:
    if len(data) < at:
        data.extend(bytes(at - len(data)))
    data[at : at + len(piece)] = piece


def _resize(data: bytearray, size: int) -> None:
    if size < len(data):
        del data[size:]
    else:
        data.extend(bytes(size - len(data)))


def _tear(data: bytearray, event: Event, rng: random.Random) -> None:
    fate = rng.randrange(3)
    if fate == 0:
        return
    if event.kind is Kind.TRUNCATE:
        _resize(data, event.at)
    elif fate == 1:
        _put(data, event.at, event.data)
    else:
        end = event.at + len(event.data)
        start = event.at
        while start < end:
            stop = min(end, start - start % SECTOR + SECTOR)
            if rng.getrandbits(1):
                _put(data, start, event.data[start - event.at : stop - event.at])
            start = stop
