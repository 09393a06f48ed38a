"""Events as a rule raises them."""

from holdfast.model.event import Event


def alert(number: int, **other: object) -> Event:
    """The `number`-th of many: its id and time. `other`: fields that should differ."""
    fields = {
        "id": f"{number:032x}",
        "ts": number,
        "kind": "alert.raised",
        "severity": "critical",
        "node": "gw",
        "device": "press-1",
        "rule": "hot",
        "message": "m",
        "why": {},
    }
    return Event(**(fields | other))  # type: ignore[arg-type]
