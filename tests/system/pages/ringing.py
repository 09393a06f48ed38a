"""A node with many alerts, some of them hostile, and a chat server beside it: what the alerts' pages are looked at on.

By hand: `python -m tests.system.pages.ringing FOLDER [COUNT]` runs it until Ctrl-C.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from tests.ports import free_port
from tests.system.foreign.site import NodeProcess, listens
from tests.system.people.site import Webhook
from tests.waiting import wait_until

HOSTILE = "<img src=x onerror=window.__hit=1>"
RULES = """rules:
  hot:
    select: test.n
    when: test.n > 100
    severity: critical
    message: "{device} is at {test.n:.0f} degrees <script>window.__hit=1</script>"
    do: [{notify: ops}, {escalate: ladder}]
  warm:
    select: test.n
    when: test.n > 60
    severity: warning
    message: "{device} gets warm: {test.n:.0f} degrees"
    do: [{notify: office}]
"""


class Ringing:
    """The node. send: readings of several devices in one connection."""

    def __init__(self, folder: Path, more: str = "") -> None:
        self.hook = Webhook(folder / "hook")
        self.mqtt, self.api = free_port(), free_port()
        self.node = NodeProcess(
            folder / "node",
            f'mqtt: {{listen: "127.0.0.1:{self.mqtt}", anonymous: true}}\napi: {{listen: "127.0.0.1:{self.api}"}}\n'
            "rules: [rules.yaml]\nchannels:\n"
            f'  ops: {{webhook: {{url: "http://127.0.0.1:{self.hook.port}/"}}, retry_max: 1s}}\n'
            f'  office: {{slack: {{url: "http://127.0.0.1:{free_port()}/"}}, retry_max: 1s, timeout: 1s}}\n'
            f'  phone: {{ntfy: {{url: "http://127.0.0.1:{self.hook.port}/", topic: t}}, '
            "hours: {days: [mon], from: '03:00', to: '03:01'}, outside: ops}\n"
            "escalations: {ladder: [{after: 1h, channel: phone}]}\n"
            "maintenance: {belt: {why: the belt is cleaned, match: {devices: [belt-*]}, hours: {}}}\n" + more,
        )
        (folder / "node" / "rules.yaml").write_text(RULES)
        self._sent = 0

    @property
    def page(self) -> str:
        return f"http://127.0.0.1:{self.api}"

    def start(self) -> None:
        self.hook.start()
        self.node.start()
        wait_until(lambda: listens(self.mqtt) and listens(self.api))

    def stop(self) -> None:
        self.node.kill()
        self.hook.kill()

    def send(self, *readings: tuple[str, float], back_s: float = 0.0, every_s: float = 0.0) -> None:
        """Device and value, one after another; all are acknowledged when this returns. back_s: so long ago."""
        client = paho.Client(CallbackAPIVersion.VERSION2)
        client.connect("127.0.0.1", self.mqtt)
        client.loop_start()
        infos = []
        first_ms = round((time.time() - back_s) * 1000)
        for i, (device, value) in enumerate(readings):
            self._sent += 1
            body = {"id": f"m{self._sent}", "ts": first_ms + round(i * every_s * 1000), "n": value}
            infos.append(client.publish(f"rooms/{device}", json.dumps(body), qos=1))
        for info in infos:
            info.wait_for_publish(60)
        client.disconnect()
        client.loop_stop()

    def ask(self, path: str, body: Any = None) -> Any:
        address = f"{self.page}/api/v1/{path}"
        with httpx.Client(trust_env=False, timeout=20) as client:
            answer = client.get(address) if body is None else client.post(address, json=body)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def ring(self, count: int) -> None:
        """A past with alerts that came and went, and `count` that are open."""
        for press, back_s in (("press-1", 3000), ("press-2", 2400), ("oven-7", 1500)):
            wave = [55 + 60 * (1 - abs(n % 40 - 20) / 20) for n in range(100)]
            self.send(*((press, value) for value in wave), back_s=back_s, every_s=14)
        self.send(*((f"press-{n}", 70.0 + n % 20) for n in range(10, 10 + count - 4)))
        self.send(("press-1", 128.0), ("oven-7", 117.5), ("belt-1", 140.0), (HOSTILE, 130.0))
        wait_until(lambda: len(self.ask("alerts?limit=1000")) >= count)


if __name__ == "__main__":
    one = Ringing(Path(sys.argv[1]))
    try:
        one.start()
        one.ring(int(sys.argv[2]) if len(sys.argv) > 2 else 40)
        print(one.page, flush=True)
        while True:
            time.sleep(1)
    finally:
        one.stop()
