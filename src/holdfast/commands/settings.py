"""`commands:` in node.yaml: how commands reach devices, and what may wait."""

from string import Formatter
from typing import Annotated

from msgspec import Meta, Struct

from holdfast.kernel.scalars import Duration

RESULT = "/result"
LONGEST_WAIT_S = 600.0
_PLACES = {"node", "device", "id"}


class CommandSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Commands to devices."""

    topic: str = "devices/{device}/commands/{id}"
    """Where a device gets its commands over MQTT: `{device}` and `{id}` are needed, `{node}` may stand in it. It
    answers on the same topic with `/result` behind it."""
    local: bool = False
    """MQTT clients of this node may command its devices: a publish on `command/DEVICE/NAME`."""
    from_parent: bool = False
    """The parent may command this node's devices and those below it."""
    deadline: Duration = 60.0
    """For commands that name none."""
    longest: Duration = 30 * 86_400.0
    """Longest deadline that may be asked for."""
    per_device: Annotated[int, Meta(ge=1, le=100_000)] = 100
    """Open commands of one device; one more is refused."""
    total: Annotated[int, Meta(ge=1, le=100_000)] = 10_000
    """Open commands of all devices together; one more is refused."""
    keep: Annotated[int, Meta(ge=1_000)] = 100_000
    """Ended commands that stay in the history; older ones go, an hour after their deadline at the earliest."""
    grace: Duration = 60.0
    """How long after the deadline a node waits for word from the node below that has the command."""
    wait: Duration = 25.0
    """How long the parent may hold the question for commands."""

    def __post_init__(self) -> None:
        """Refuse what can't work."""
        faults = topic_faults(self.topic)
        if faults:
            raise ValueError(faults)
        if not 0 < self.wait <= LONGEST_WAIT_S:
            msg = f"`wait` must be above 0 s and at most {LONGEST_WAIT_S:.0f} s"
            raise ValueError(msg)
        if not 0 < self.deadline <= self.longest:
            msg = "`deadline` must be above 0 s and at most `longest`"
            raise ValueError(msg)


def topic_faults(template: str) -> str:
    """What is wrong with a template, empty = nothing."""
    try:
        parts = [(name, spec, how) for _, name, spec, how in Formatter().parse(template)]
    except ValueError as error:
        return f"`topic` is no template: {error}"
    names = {name for name, _, _ in parts if name is not None}
    if not {"device", "id"} <= names or not names <= _PLACES or any(spec or how for _, spec, how in parts):
        return "`topic` needs {device} and {id}, may have {node}, and nothing else in braces"
    levels = template.split("/")
    if "{device}" not in levels or levels[-1] != "{id}" or names != {one[1:-1] for one in levels if one[:1] == "{"}:
        return "in `topic` each of {device}, {id} and {node} is a whole level, and {id} the last one"
    if levels.index("{device}") > levels.index("{id}") or any(c in template for c in "+#\0") or template[0] in "$/":
        return "`topic` must have no +, #, nor a leading $ or /"
    return ""
