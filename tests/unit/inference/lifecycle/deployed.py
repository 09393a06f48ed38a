"""A real node that runs, with a deployment's life in its journal and its routes before the others'."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from starlette.applications import Starlette
from tests.running import Running, running
from tests.unit.inference.lifecycle.site import A, B, C, Pumps

from holdfast.inference.lifecycle.drift.shapes import shapes_of
from holdfast.inference.lifecycle.service import Lives
from holdfast.inference.lifecycle.settings import LifeSettings
from holdfast.inference.lifecycle.status import DeploymentRow, DeploymentStatus
from holdfast.kernel.clock import SystemClock
from holdfast.web.guard import Door
from holdfast.web.model_answers import ModelDetail, ModelList, ModelRow
from holdfast.web.models import Models


class LifeDesk:
    """Implements `web.model_port.ModelsPort` for deployments whose models nobody runs: their lives are all there is."""

    def __init__(self, lives: Lives) -> None:
        self._lives = lives
        self.act, self.relearn, self.label, self.labels = lives.act, lives.relearn, lives.label, lives.labels

    async def listed(self) -> ModelList:
        return ModelList([_row(life.row()) for life in self._lives.lives.values()])

    async def detail(self, deployment: str) -> ModelDetail:
        life = self._lives.find(deployment)
        status = life.status()
        return ModelDetail(
            **{name: getattr(status, name) for name in DeploymentStatus.__struct_fields__}, row=_row(life.row()),
            running={}, devices=[], trend=[], results=[],
            shapes=shapes_of(life.monitor.inputs) | shapes_of(life.monitor.outputs),
        )  # fmt: skip


def _row(row: DeploymentRow) -> ModelRow:
    return ModelRow(**{name: getattr(row, name) for name in DeploymentRow.__struct_fields__}, task="", health="off")


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
        desk = LifeDesk(lives)
        routes = Models(desk, clock).routes()
        Door("", node.real.telemetry).before(routes)
        assert node.real.web is not None
        cast("Starlette", node.real.web._config.app).router.routes[:0] = routes
        yield node, pumps
