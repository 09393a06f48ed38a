"""`models:` in node.yaml: what may be used for models, and which model says what of which devices."""

from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from holdfast.codecs.topics import DEVICE, PatternInvalid, compile_pattern
from holdfast.inference.hybrid.settings import HybridSettings
from holdfast.inference.lifecycle.settings import LifeSettings
from holdfast.inference.runtimes.port import Provider
from holdfast.inference.serving.images.settings import ImageSettings
from holdfast.kernel.scalars import Duration, Size
from holdfast.model.event import Severity
from holdfast.stream.language.settings import ActionText

TOPIC = "alerts/ml"
Deployment = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
ModelRef = Annotated[str, Meta(pattern=r"^$|^[A-Za-z0-9][A-Za-z0-9:@._-]{0,199}$")]
Part = Literal["score", "label", "confidence", "ms", "version", "how"]


class MlAlert(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """An alert on a deployment's results: a rule `ml-<deployment>`, whose keys mean what they mean in rules."""

    when: Annotated[str, Meta(min_length=1)]
    """The condition over what's recorded: `score > 0.8`, `label = 'leak' and confidence > 0.9`."""
    hold: str = field(default="1 sample", name="for")
    clear_when: str | None = None
    clear_for: str = "1 sample"
    cooldown: str = ""
    latch: bool = False
    severity: Severity = "warning"
    message: str = ""
    do: tuple[ActionText, ...] = (ActionText(TOPIC),)


class Fallback(Struct, frozen=True, forbid_unknown_fields=True):
    """What stands in when the model can't answer in time, or at all: one of the two.

    model: a smaller model over the same features
    rule:  a condition over the features; true is the last label, with score 1
    """

    model: ModelRef | None = None
    rule: str = ""


class Canary(Struct, frozen=True, forbid_unknown_fields=True):
    """A model that answers for a part of the devices, always the same ones. percent: of them."""

    model: ModelRef
    percent: Annotated[float, Meta(gt=0, lt=100)]


class Deploy(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One model at work."""

    model: ModelRef
    """`name`, `name@version`, `builtin:name` or `sha256:…`."""
    source: str = field(default="readings", name="from")
    """Which devices: `readings where device like 'pump-%'`; absent = what the model's feature set says."""
    inputs: dict[str, str] = {}
    """The metrics that the model's feature set names → what they're called here."""
    budget: Duration | None = None
    """From the readings' arrival to the result, for 99 of 100; absent = as the card says."""
    fallback: tuple[Literal["last"] | Fallback, ...] = ("last",)
    """What stands in for the model, tried in this order; `last`: the device's last result."""
    record: Annotated[tuple[Part, ...], Meta(min_length=1)] = ("score", "label", "confidence", "ms", "version")
    """Which parts of a result become readings; those that a model hasn't are left out."""
    alert: MlAlert | None = None
    shadow: ModelRef = ""
    """A model that runs beside it and is never heard, to be compared."""
    canary: Canary | None = None
    """A model that answers for a part of the devices."""
    life: LifeSettings = LifeSettings()
    """How drift is watched, when it falls back by itself, how versions are compared."""
    hybrid: HybridSettings | None = None
    """Which results the model above is asked about."""
    images: ImageSettings | None = None
    """Where pictures come from, for a model that takes those."""
    tell_trouble: bool = True
    """Whether drift and falling back raise alerts `ml-<deployment>-trouble`, to the same topic."""

    def findings(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """As of `ModelsSettings`, below the deployment."""
        for i, step in enumerate(self.fallback):
            if isinstance(step, Fallback) and (step.model is None) == (not step.rule):
                yield ("fallback", i), "a fallback is `last`, `{model: …}` or `{rule: …}`"
        if self.images is not None:
            yield from _picture_faults(self.images)
        for said in self.life.faults():
            yield ("life",), said
        if len(set(self.record)) < len(self.record):
            yield ("record",), "a part stands twice"
        if "score" not in self.record and "label" not in self.record:
            yield ("record",), "`score` or `label` must be in it: the result itself"


class ModelsSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """See the module."""

    memory: Size = 100 * 1000 * 1000
    """For loaded models; those not used for longest give way."""
    workers: Annotated[int, Meta(ge=1, le=64)] = 1
    """Threads that run models."""
    threads: Annotated[int, Meta(ge=1, le=64)] = 1
    """Threads within one run of a model."""
    provider: Provider = "auto"
    """Which processor runs ONNX models; `auto` = the best that the installed ONNX Runtime has, TensorRT excepted."""
    deploy: dict[Deployment, Deploy] = {}

    def findings(self, *, has_parent: bool) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """What is wrong beyond what any value of a key may be: (place, text)."""
        for name, one in self.deploy.items():
            if one.hybrid is not None and not has_parent:
                yield ("deploy", name, "hybrid"), "there is no `parent` that could be asked"
            for where, said in one.findings():
                yield ("deploy", name, *where), said


def _picture_faults(images: ImageSettings) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if not images.folder and not images.topic:
        yield ("images", "folder"), "is missing: the folder that is watched for pictures, or the `topic` they come on"
    if images.topic:
        try:
            pattern = compile_pattern(images.topic)
        except PatternInvalid as error:
            yield ("images", "topic"), str(error)
            return
        if DEVICE in pattern.captures and images.camera:
            yield ("images", "camera"), "a camera's name stands either here or in the topic, as {device}"
    if images.waiting_bytes < images.most_bytes:
        yield ("images", "waiting_bytes"), "is less than `most_bytes`: no picture of that size could wait"
