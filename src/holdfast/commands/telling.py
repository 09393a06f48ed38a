"""The event that says how a command ended: it travels to every node above. Pure; ids are deterministic."""

from hashlib import blake2b

import msgspec

from holdfast.journal.commanded import KIND
from holdfast.kernel.clock import NS_PER_S
from holdfast.model.command import Answer, Command, State
from holdfast.model.event import Event
from holdfast.model.lane import Lane

FROM_ABOVE = "parent/"


def ended(node: str, command: Command, answer: Answer, at_ns: int, *, with_result: bool = True) -> Event:
    """The event. node: where this is said; with_result: False = what the device answered must stay here.

    Somebody above waits for the end of a command that came from there, so it goes first.
    """
    facts = f"{node}\0{command.id}\0{answer.state.value}"
    why: dict[str, object] = {
        "id": command.id,
        "state": answer.state.value,
        "name": command.name,
        "origin": command.origin,
        "doubt": answer.doubt,
        "detail": answer.detail if with_result else "",
        "took_s": round((at_ns - command.made_ns) / NS_PER_S, 3),
        "said_by": node,
    }
    if answer.result and with_result:
        why["result"] = msgspec.json.decode(answer.result)
    return Event(
        id=blake2b(facts.encode(), digest_size=16).hexdigest(),
        ts=at_ns,
        lane=Lane.CRITICAL if command.origin.startswith(FROM_ABOVE) else Lane.NORMAL,
        kind=KIND,
        severity="info" if answer.state is State.DONE else "warning",
        node=command.node,
        device=command.device,
        rule=f"command:{command.name}",
        message=_sentence(command, answer),
        why=why,
    )


def _sentence(command: Command, answer: Answer) -> str:
    said = f"{command.device}: {command.name} {answer.state.value}"
    if answer.detail:
        said += f": {answer.detail}"
    return f"{said}; the device may have carried it out" if answer.doubt else said
