"""A real node that runs, with a deployment's life in its journal and its routes before the others'."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import msgspec
from starlette.applications import Starlette
from tests.running import Running, running
from tests.unit.inference.lifecycle.site import A, B, C, Pumps

from holdfast.inference.lifecycle.labels import Label
from holdfast.inference.lifecycle.service import Lives
from holdfast.inference.lifecycle.settings import LifeSettings
from holdfast.inference.lifecycle.states import Command
from holdfast.inference.lifecycle.status import ActDone, DeploymentRow, LabelList
from holdfast.kernel.clock import SystemClock
from holdfast.web.guard import Door
from holdfast.web.model_answers import ModelDetail, ModelList, ModelRow
from holdfast.web.models import Models


class Port:
    """`web.model_port.ModelsPort` over lives alone: nothing is loaded here."""

    def __init__(self, lives: Lives) -> None:
        self.lives = lives

    async def listed(self) -> ModelList:
        return ModelList([_row(one) for one in (await self.lives.listed()).deployments])

    async def detail(self, deployment: str) -> ModelDetail:
        status = await self.lives.shown(deployment)
        row = _row(self.lives.find(deployment).row())
        return ModelDetail(**_fields(status), row=row, running={}, shapes={}, devices=[], trend=[], results=[])

    async def act(self, deployment: str, command: Command) -> ActDone:
        return await self.lives.act(deployment, command)

    async def relearn(self, deployment: str) -> None:
        await self.lives.relearn(deployment)

    async def labels(self, deployment: str, limit: int, before: int, device: str) -> LabelList:
        return await self.lives.labels(deployment, limit, before, device)

    async def label(self, label: Label) -> Label:
        return await self.lives.label(label)


def _row(one: DeploymentRow) -> ModelRow:
    return ModelRow(**_fields(one), task="classification", health="ok")


def _fields(one: msgspec.Struct) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__struct_fields__}


@contextmanager
def deployed(folder: Path) -> Iterator[tuple[Running, Pumps]]:
    """The node, and its pumps: B ran in shadow for forty minutes and errs often."""
    with running(folder) as node:
        pumps = Pumps(LifeSettings(block_s=60.0))
        clock = SystemClock()
        pumps.now_ns = clock.wall_ns() - 40 * 60 * 10**9
        lives = Lives({"pump": pumps.life}, node.real.journal, clock, lambda ref: ref in (A, B, C))
        node.do(lives.start({"pump": (A, "", ("", 0.0))}))
        pumps.wrong[B] = 0.4
        pumps.do("add", B)
        pumps.do("shadow", B)
        pumps.minutes(39)
        routes = Models(Port(lives), clock).routes()
        Door("", node.real.telemetry).before(routes)
        assert node.real.web is not None
        cast("Starlette", node.real.web._config.app).router.routes[:0] = routes
        yield node, pumps
