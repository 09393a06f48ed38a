"""Which models are in memory for which deployments; those that can't be loaded, and trying them again."""

import asyncio
from collections.abc import Iterable, Mapping

from holdfast.inference.cache import ModelCache
from holdfast.inference.card import Card
from holdfast.inference.errors import ModelRefused
from holdfast.inference.runtimes.port import Options
from holdfast.kernel.errors import HoldfastError
from holdfast.node.models.happenings import ModelAtWork, ModelUnusable
from holdfast.node.models.living import Shelves, misfit
from holdfast.node.models.planning import Work
from holdfast.node.models.scorers import Loaded, Unloaded
from holdfast.telemetry.happenings import Telemetry

Scorer = Loaded | Unloaded


class Loading:
    """Loop thread; what blocks goes to threads."""

    def __init__(self, shelves: Shelves, cache: ModelCache, options: Options, telemetry: Telemetry) -> None:
        self.shelves, self.cache = shelves, cache
        self.scorers: dict[str, Scorer] = {}
        """By `name@version`."""
        self.options, self._telemetry = options, telemetry

    @property
    def is_lacking(self) -> bool:
        """Whether there's one to be tried again."""
        return any(isinstance(one, Unloaded) for one in self.scorers.values())

    async def load(self, wanted: Mapping[str, Work], roles: Mapping[str, str]) -> None:
        """Have these in memory, by `name@version`; others aren't asked for any more. roles: for the log."""
        found = {ref: await self._scorer(ref, work, roles.get(ref, "")) for ref, work in wanted.items()}
        self.scorers = found

    def card(self, ref: str) -> Card | None:
        """A version's card, where it's loaded."""
        one = self.scorers.get(ref)
        return one.model.card if isinstance(one, Loaded) else None

    def release(self, scorers: Iterable[Scorer]) -> None:
        """Not needed any more."""
        for one in scorers:
            one.release()

    async def _scorer(self, ref: str, work: Work, role: str) -> Scorer:
        known = self.scorers.get(ref)
        if isinstance(known, Loaded):
            return known
        try:
            return await self._loaded(ref, work, role)
        except HoldfastError as error:
            if known is None or str(known.error) != str(error):
                hint = str(getattr(error, "hint", ""))
                self._telemetry.emit(ModelUnusable(work.name, ref, str(error), hint))
            return Unloaded(ref, () if work.card is None else work.card.labels, error)

    async def _loaded(self, ref: str, work: Work, role: str) -> Loaded:
        entry = await asyncio.to_thread(self.shelves.entry, ref)
        if entry.card is not None and (why := misfit(work, entry.card)):
            raise ModelRefused(entry.folder, why)
        held = await self.cache.held(entry.folder, self.options, trusted=entry.trusted)
        model = held.model
        self._telemetry.emit(
            ModelAtWork(
                deployment=work.name,
                model=model.card.model,
                version=model.card.version,
                role=role,
                provider=model.provider,
                memory_bytes=model.memory_bytes,
                load_ms=round(1000 * model.load_s, 1),
            )
        )
        return Loaded(held)
