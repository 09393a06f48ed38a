"""Models in memory: as many as the budget holds, the least recently used goes first, those at work never.

A model is asked for by its folder and options and held for as long as it's used:

```python
cache = ModelCache(100_000_000, trier=Trials(verdicts))
with cache.hold(folder) as model:  # blocking: in a thread
    model.predict(values)
held = await cache.held(folder)  # on the loop; `held.release()` when it's no longer needed
```

What is one model: the card and the digest in it, and the options. Asked for by several at once it's loaded once; loads
of different models come one after the other, so that memory is never taken for two before either is counted.
"""

import asyncio
import hashlib
import threading
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import msgspec

from holdfast.inference.card import Card, load_card
from holdfast.inference.door import Trier, open_model
from holdfast.inference.errors import ModelTooLarge
from holdfast.inference.loaded import Model
from holdfast.inference.runtimes.port import Options
from holdfast.kernel.clock import Clock
from holdfast.kernel.memory import give_back
from holdfast.storage.claims import Claim

Key = tuple[str, Options]


@dataclass(frozen=True, slots=True)
class CacheFigures:
    """What the cache did since the start, and has now. used, budget: bytes."""

    hits: int = 0
    misses: int = 0
    evictions: int = 0
    refused: int = 0
    models: int = 0
    at_work: int = 0
    used: int = 0
    budget: int = 0


@dataclass(slots=True)
class _Entry:
    model: Model
    held: int = 0
    claim: Claim | None = None


class Held:
    """A model that stays in memory until it's released. A context manager too."""

    def __init__(self, cache: "ModelCache", key: Key, model: Model) -> None:
        self._cache, self._key = cache, key
        self._live = True
        self.model = model

    def release(self) -> None:
        """It's no longer needed; again is fine."""
        if self._live:
            self._live = False
            self._cache._let_go(self._key)  # noqa: SLF001  # its other half

    def __enter__(self) -> Model:
        return self.model

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


@dataclass(slots=True)
class _Counts:
    hits: int = 0
    misses: int = 0
    evictions: int = 0
    refused: int = 0


@dataclass(slots=True)
class _State:
    entries: OrderedDict[Key, _Entry] = field(default_factory=OrderedDict)
    """The least recently used first."""
    coming: dict[Key, Future[None]] = field(default_factory=dict)
    counts: _Counts = field(default_factory=_Counts)


class ModelCache:
    """See the module."""

    def __init__(self, budget: int, trier: Trier | None = None, clock: Clock | None = None) -> None:
        """budget: bytes that all models together may take. trier: see `door.open_model`."""
        self._budget, self._trier, self._clock = budget, trier, clock
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._state = _State()

    @property
    def figures(self) -> CacheFigures:
        """What it did, and what it has."""
        with self._lock:
            entries, counts = self._state.entries.values(), self._state.counts
            return CacheFigures(
                counts.hits,
                counts.misses,
                counts.evictions,
                counts.refused,
                len(entries),
                sum(entry.held > 0 for entry in entries),
                self._used(),
                self._budget,
            )

    def hold(self, folder: Path, options: Options | None = None, *, trusted: bool = False) -> Held:
        """The model in a folder, in memory until it's released. Blocking, for seconds where it's loaded; any thread.

        Args:
            folder: the model's; it can't be removed meanwhile (`store.ModelStore.remove`).
            options: how it's run.
            trusted: it ships with Holdfast, so it needn't be tried in a process of its own.

        Raises:
            ModelTooLarge: when it doesn't fit beside the models at work, or not at all.
            InferenceError, SettingsInvalid: as of `door.open_model`.
            StorageUnusable: when the folder is gone.
        """
        options = options or Options()
        claim = Claim(folder)  # before the card is read: what is being removed isn't loaded
        key = _key(load_card(folder), options)
        while True:
            with self._lock:
                if (found := self._found(key, claim)) is not None:
                    return found
                coming = self._state.coming.get(key)
                if coming is None:
                    self._state.coming[key] = Future()
                    self._state.counts.misses += 1
                    break
            coming.result()  # another thread loads it; what it fails with is everybody's
        try:
            with self._loading:
                held = self._loaded(key, folder, trusted=trusted, claim=claim)
        except BaseException as error:
            self._came(key).set_exception(error)
            raise
        self._came(key).set_result(None)
        return held

    async def held(self, folder: Path, options: Options | None = None, *, trusted: bool = False) -> Held:
        """`hold`, in a thread of its own."""
        return await asyncio.to_thread(self.hold, folder, options, trusted=trusted)

    def clear(self) -> None:
        """Let go of all models that aren't at work."""
        with self._lock:
            for key in [key for key, entry in self._state.entries.items() if not entry.held]:
                del self._state.entries[key]
                self._state.counts.evictions += 1
        give_back()

    def _came(self, key: Key) -> Future[None]:
        with self._lock:
            return self._state.coming.pop(key)

    def _found(self, key: Key, claim: Claim) -> Held | None:
        entry = self._state.entries.get(key)
        if entry is None:
            return None
        self._state.entries.move_to_end(key)
        self._state.counts.hits += 1
        entry.held += 1
        if entry.claim is None:
            entry.claim = claim
        return Held(self, key, entry.model)

    def _loaded(self, key: Key, folder: Path, *, trusted: bool, claim: Claim) -> Held:
        card = load_card(folder)
        self._make_room(card, _expected(card, folder))
        model = open_model(folder, key[1], None if trusted else self._trier, self._clock)
        self._make_room(card, model.memory_bytes)
        with self._lock:
            self._state.entries[key] = _Entry(model, 1, claim)
        return Held(self, key, model)

    def _make_room(self, card: Card, needed: int) -> None:
        """Evict until so many bytes are free.

        Raises:
            ModelTooLarge: when they can't be.
        """
        with self._lock:
            entries = self._state.entries
            at_work = sum(entry.model.memory_bytes for entry in entries.values() if entry.held)
            if needed + at_work > self._budget:
                self._state.counts.refused += 1
                raise self._too_large(card, needed, at_work)
            before = self._state.counts.evictions
            for key in [key for key, entry in entries.items() if not entry.held]:
                if needed + self._used() <= self._budget:
                    break
                del entries[key]
                self._state.counts.evictions += 1
            evicted = self._state.counts.evictions > before
        if evicted:
            give_back()

    def _too_large(self, card: Card, needed: int, at_work: int) -> ModelTooLarge:
        sentence = f"{card.ref} takes {needed:,} bytes, and `models.memory` allows {self._budget:,}"
        if needed <= self._budget:
            sentence += f", of which models at work have {at_work:,}"
        hint = "allow more, take a model out of `models.deploy`, or make this one smaller: `holdfast model optimise`"
        return ModelTooLarge(sentence, needed, self._budget - at_work, hint)

    def _used(self) -> int:
        return sum(entry.model.memory_bytes for entry in self._state.entries.values())

    def _let_go(self, key: Key) -> None:
        with self._lock:
            entry = self._state.entries.get(key)
            if entry is None:
                return
            entry.held -= 1
            if not entry.held and entry.claim is not None:
                entry.claim.release()
                entry.claim = None


def _key(card: Card, options: Options) -> Key:
    return hashlib.sha256(msgspec.json.encode(card)).hexdigest(), options


def _expected(card: Card, folder: Path) -> int:
    """What a model will take at least, before it's loaded: its file, and no more than its card says."""
    try:
        return (folder / card.file).stat().st_size
    except OSError:
        return 0  # the door says what is wrong
