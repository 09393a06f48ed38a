"""Commands that rules send: `command:` of a rule's `do`, compiled, and what one decision makes of it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal

import msgspec

from holdfast.model.command import MAX_PARAMS, CommandName
from holdfast.model.event import Event
from holdfast.stream.language.settings import Order
from holdfast.stream.language.templates import Template, parse_fact, parse_message


@dataclass(frozen=True, slots=True)
class Ordered:
    """A command that a decision sends. id: the same for the same decision, whenever it's made (G7)."""

    id: str
    device: str
    name: str
    params: dict[str, Any]
    deadline_s: float | None


@dataclass(frozen=True, slots=True)
class CompiledOrder:
    """A rule's command. params: as written, with templates in place of texts that are some."""

    device: Template
    name: str
    params: Any
    deadline_s: float | None
    on: Literal["raised", "cleared"]

    def made(self, event: Event, place: int, known: Mapping[str, object]) -> Ordered | None:
        """The command of an event, None when the event is the other one. place: which of the rule's commands it is."""
        if event.kind != f"alert.{self.on}":
            return None
        number = blake2b(f"{event.id}\0{place}".encode(), digest_size=16).hexdigest()
        return Ordered(number, self.device.render(known), self.name, _filled(self.params, known), self.deadline_s)


def compile_order(order: Order, columns: tuple[str, ...] | None, faults: list[str]) -> CompiledOrder:
    """Check and compile; what is wrong goes to `faults`."""
    device = parse_fact(order.device, faults)
    try:
        msgspec.convert(order.name, CommandName)
    except msgspec.ValidationError:
        faults.append(f"`{order.name}` is no command's name: letters, digits, `.`, `_` and `-`, at most 64")
    if order.deadline is not None and order.deadline <= 0:
        faults.append("`deadline` must be above 0 s")
    if len(msgspec.json.encode(order.params)) > MAX_PARAMS // 2:
        faults.append(f"`params` are longer than {MAX_PARAMS // 2:,} bytes")
    return CompiledOrder(device, order.name, _compiled(order.params, columns, faults), order.deadline, order.on)


def _compiled(value: Any, columns: tuple[str, ...] | None, faults: list[str]) -> Any:
    if isinstance(value, dict):
        return {str(key): _compiled(one, columns, faults) for key, one in value.items()}
    if isinstance(value, list):
        return [_compiled(one, columns, faults) for one in value]
    return parse_message(value, columns, faults) if isinstance(value, str) else value


def _filled(value: Any, known: Mapping[str, object]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(one, known) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, known) for one in value]
    if not isinstance(value, Template):
        return value
    if len(value.steps) == 1 and value.steps[0][0] == "" and value.steps[0][2] == "":
        return known.get(value.steps[0][1] or "")  # `"{avg_temp}"` is the number, not its text
    return value.render(known)
