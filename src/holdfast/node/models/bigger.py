"""The models of this node's store for nodes below that are unsure: loaded when they're asked for, run on threads."""

import asyncio
from typing import Any

from numpy.typing import NDArray

from holdfast.inference.cache import ModelCache
from holdfast.inference.hybrid.answering import Verdict
from holdfast.inference.runtimes.port import Options
from holdfast.kernel.clock import Clock
from holdfast.node.hybrid import Unheld
from holdfast.node.models.living import Shelves

Array = NDArray[Any]


class StoredBigger:
    """Implements `inference.hybrid.answering.Bigger`."""

    def __init__(self, shelves: Shelves, cache: ModelCache, options: Options, clock: Clock) -> None:
        self._shelves, self._cache, self._options, self._clock = shelves, cache, options, clock

    async def score(self, model: str, features: str, values: Array) -> Verdict:
        """See the port. features: of the rows; a card that says its feature set's hash takes no others."""
        entry = await asyncio.to_thread(self._shelves.store.resolve, model)
        with await self._cache.held(entry.folder, self._options, trusted=entry.trusted) as loaded:
            card = loaded.card
            if card.feature_hash and features != card.inputs.features:
                raise Unheld(f"{card.ref} takes rows of {card.inputs.features}, not of {features[:80]}")
            if card.width != values.shape[1]:
                raise Unheld(f"{card.ref} takes {card.width} numbers a row, and was given {values.shape[1]}")
            began = self._clock.monotonic()
            said = await asyncio.to_thread(loaded.predict, values)
            return Verdict(card.model, card.version, card.labels, said, self._clock.monotonic() - began)
