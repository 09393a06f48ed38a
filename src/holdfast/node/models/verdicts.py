"""What operators say of models' alerts, as labels: confirmed, it was as the model said; rejected, something else.

A label of an alert is stored by the alerts' service first. What is told here becomes a label of the device's time from
the raise to the end, and is then noted as understood: after a crash in between it's told again, and replaces itself.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress

from holdfast.inference.lifecycle.errors import LifecycleError
from holdfast.inference.lifecycle.labels import LONGEST_NS, Label, of_alert
from holdfast.inference.lifecycle.service import Lives
from holdfast.journal.alert_labels import Labelled, settling
from holdfast.journal.transaction import Transaction
from holdfast.notify.labelling import model_of

Submit = Callable[[Callable[[Transaction], None]], Awaitable[None]]


class Verdicts:
    """Of one node. Loop thread only."""

    def __init__(self, lives: Lives, submit: Submit) -> None:
        self._lives, self._submit = lives, submit
        self._waiting: deque[Labelled] = deque()  # as many as operators gave and weren't understood yet

    def told(self, one: Labelled) -> None:
        """Somebody confirmed or rejected an alert of a model; understood on the next tick."""
        self._waiting.append(one)

    async def tick(self) -> None:
        """Understand what waits. One that can't be a label (of a model that has gone, say) is let be."""
        while self._waiting:
            one = self._waiting[0]
            life = self._lives.lives.get(model_of(one.raised))
            if life is not None:
                with suppress(LifecycleError):  # of a number nobody can say what it should have been
                    await self._lives.label(label_of(one, life.deployment, life.names))
            await self._submit(settling(one))
            self._waiting.popleft()


def label_of(one: Labelled, deployment: str, names: tuple[str, ...]) -> Label:
    """What an alert's label says of its device."""
    values = one.raised.why.get("values")
    said = str(values.get("label", "")) if isinstance(values, dict) else ""
    start_ns = max(1, one.raised.ts)
    end_ns = min(max(start_ns, one.cleared_ns or one.made_ns), start_ns + LONGEST_NS)
    return Label(
        deployment=deployment, node=one.raised.node, device=one.raised.device,
        start_ns=start_ns, end_ns=end_ns,
        label=of_alert(said, names, confirmed=one.label == "confirmed"), by=one.by, source="alert",
        comment=one.comment[:1_000], alert=one.alert,
    )  # fmt: skip
