"""What the broker says about itself under `$SYS/broker/`, by the names that Mosquitto made common (mosquitto(8)).

A list for tools that look there; the node's own metrics say more. Published every ten seconds and retained in memory.
"""

from collections.abc import Callable

from holdfast.adapters.mqtt.letters import Tally

EVERY_S = 10.0


class SysTopics:
    """Says when the topics are due, and with what. started: monotonic time."""

    def __init__(self, version: str, started: float) -> None:
        self._version = version
        self._started = started
        self._due = started

    def due(self, now: float, counts: Callable[[], dict[str, int]], tally: Tally, received: int) -> dict[str, bytes]:
        """Topic and payload of each when it's time, else nothing."""
        if now < self._due:
            return {}
        self._due = now + EVERY_S
        said: dict[str, object] = {
            "version": f"holdfast {self._version}",
            "uptime": f"{int(now - self._started)} seconds",
            **counts(),
            "publish/messages/received": received,
            "publish/messages/sent": tally.sent,
            "publish/messages/dropped": tally.dropped,
        }
        return {f"$SYS/broker/{name}": str(value).encode() for name, value in said.items()}
