"""Models that were not on this node when it started: published ones come from above, others are added by hand."""

import asyncio

from holdfast.artifacts.service import Artifacts
from holdfast.inference.door import Trier
from holdfast.inference.errors import ModelUnknown
from holdfast.kernel.documents import SettingsInvalid
from holdfast.kernel.errors import HoldfastError
from holdfast.node.models.fetched import fetched_model, is_published
from holdfast.node.models.happenings import ModelUnusable
from holdfast.node.models.living import Shelves
from holdfast.node.models.planning import Work, plan_work
from holdfast.telemetry.happenings import Telemetry

WITHIN_S = 1.0
"""Each look waits so long for what is being fetched; fetching goes on in between."""


class Coming:
    """Loop thread only."""

    def __init__(self, shelves: Shelves, artifacts: Artifacts, trier: Trier, telemetry: Telemetry) -> None:
        self._shelves, self._artifacts, self._trier, self._telemetry = shelves, artifacts, trier, telemetry
        self._told: dict[str, str] = {}

    def hindrance(self, deployment: str) -> str:
        """Why a deployment's model isn't here, as of the last look; empty = nobody has looked."""
        return self._told.get(deployment, "")

    async def look(self, work: Work) -> Work | None:
        """The deployment planned, once its model is here; None: not yet, and what hinders it is told once."""
        try:
            if is_published(work.settings.model):
                entry = await fetched_model(
                    self._artifacts, self._shelves.store, work.settings.model, WITHIN_S, trier=self._trier
                )
                self._shelves.name(work.settings.model, entry)
            await asyncio.to_thread(self._shelves.look)
            return await asyncio.to_thread(plan_work, work.name, work.settings, self._shelves.folder)
        except ModelUnknown as error:
            self._tell(work, error)
        except (HoldfastError, SettingsInvalid) as error:
            self._tell(work, error)
        return None

    def _tell(self, work: Work, error: HoldfastError) -> None:
        if self._told.get(work.name) != str(error):
            self._told[work.name] = str(error)
            hint = str(getattr(error, "hint", ""))
            self._telemetry.emit(ModelUnusable(work.name, work.settings.model, str(error), hint))
