"""Who serves: deployments, their posts, the models' lanes. Changed at run time; what isn't changed isn't disturbed."""

from collections.abc import Iterator, Mapping, Sequence

from holdfast.inference.serving.lanes import Lane
from holdfast.inference.serving.lasts import Lasts
from holdfast.inference.serving.pieces import Job
from holdfast.inference.serving.ports import Deployment, Nothing, Scorer, Smaller
from holdfast.inference.serving.posts import Post
from holdfast.inference.serving.settings import ServingSettings
from holdfast.model.predictions import Role

NONE = ""
"""The key of no model."""


class Roster:
    """Lanes by model's key, posts by deployment, role and key."""

    def __init__(self, settings: ServingSettings) -> None:
        self.lanes: dict[str, Lane] = {NONE: _no_model(settings)}
        self.leaving: list[Lane] = []
        """Of models that were withdrawn or replaced; what waits for them is still told."""
        self.posts: dict[tuple[str, Role, str], Post] = {}
        self.lasts: dict[str, Lasts] = {}
        self._settings = settings

    def every(self) -> list[Lane]:
        """All lanes, also those that are leaving."""
        return [*self.lanes.values(), *self.leaving]

    @property
    def has_models(self) -> bool:
        """Is there anything to run?"""
        return len(self.lanes) > 1 or bool(self.leaving)

    @property
    def nbytes(self) -> int:
        """Of all rows that wait."""
        return sum(lane.nbytes for lane in self.every())

    @property
    def rows(self) -> int:
        """Acting rows that wait."""
        return sum(lane.rows for lane in self.every())

    def hog_s(self, lane: Lane, now: float) -> float:
        """The tightest budget of other models that rows came for lately; what waits for a run of this one."""
        others = (post for post in self.posts.values() if post.acts and post.lane is not lane and now - post.seen < 10)
        return min((post.budget_s for post in others), default=float("inf"))

    def adopt(self, deployments: Sequence[Deployment], models: Mapping[str, Scorer]) -> None:
        """Serve these and no others. A model is the same while it's the same object.

        Raises:
            ValueError: a deployment names a model that isn't there, or there are two of a name; nothing is changed.
        """
        _check(deployments, models)
        self._change_lanes({NONE: self.lanes[NONE].scorer, **models})
        wanted = {(d.name, role, key): d for d in deployments for role, key in d.serves}
        for gone in self.posts.keys() - wanted.keys():
            self.posts.pop(gone).leave()
        self.lasts = {d.name: self.lasts.get(d.name) or Lasts() for d in deployments}
        for at, deployment in wanted.items():
            if (post := self.posts.get(at)) is not None:
                post.change(deployment, self.lanes[at[2]])
            else:
                lane, lasts = self.lanes[at[2]], self.lasts[deployment.name]
                self.posts[at] = Post(deployment, at[1], lane, lasts, self._settings.window_s)

    def _change_lanes(self, models: Mapping[str, Scorer]) -> None:
        for key, lane in list(self.lanes.items()):
            if models.get(key) is not lane.scorer:
                self.leaving.append(self.lanes.pop(key))
        for key, scorer in models.items():
            if key not in self.lanes:
                self.lanes[key] = Lane(key, scorer, self._settings)

    def released(self, zombies: Sequence[Job]) -> Iterator[Lane]:
        """Lanes that have run their last batch; they're forgotten."""
        held = {id(job.lane) for job in zombies}
        for lane in [lane for lane in self.leaving if lane.is_idle and id(lane) not in held]:
            self.leaving.remove(lane)
            yield lane


def _no_model(settings: ServingSettings) -> Lane:
    lane = Lane(NONE, Nothing(), settings)
    lane.health.shut()
    lane.warm.clear()
    return lane


def _check(deployments: Sequence[Deployment], models: Mapping[str, Scorer]) -> None:
    if NONE in models:
        raise ValueError("a model's key is empty")
    names = [deployment.name for deployment in deployments]
    if len(set(names)) < len(names):
        raise ValueError(f"two deployments of one name among {', '.join(sorted(names))}")
    for deployment in deployments:
        keys = [key for _, key in deployment.serves]
        keys += [step.model for step in deployment.fallback if isinstance(step, Smaller)]
        if missing := sorted(set(keys) - models.keys() - {NONE}):
            raise ValueError(f"{deployment.name} names models that aren't there: {', '.join(missing)}")
