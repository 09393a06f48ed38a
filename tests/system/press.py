"""A device that does what it is commanded, each once, as the contract asks: its own record on disk says what it began.

python -m tests.system.press PORT NAME RECORD [DELAY]: paho, MQTT 5, a session that outlives its connection.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties


class Press:
    """The machine. record: one line an executed command: id and result; appended and synced before the answer."""

    def __init__(self, name: str, record: Path, delay: float = 0.0) -> None:
        self.name, self.record, self.delay = name, record, delay
        done = record.read_text().splitlines() if record.exists() else []
        self.done = dict(line.split(" ", 1) for line in done)
        self.client = paho.Client(CallbackAPIVersion.VERSION2, name, protocol=MQTTProtocolVersion.MQTTv5)
        self.client.on_connect = self.connected
        self.client.on_message = self.commanded

    def run(self, port: int) -> None:
        terms: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        terms.SessionExpiryInterval = 3_600
        while True:
            try:
                self.client.connect("127.0.0.1", port, 5, clean_start=False, properties=terms)
                self.client.loop_forever(retry_first_connection=True)
            except OSError:
                time.sleep(0.1)

    def connected(self, client: paho.Client, *_: object) -> None:
        client.subscribe(f"devices/{self.name}/commands/+", qos=2)

    def commanded(self, client: paho.Client, _: object, message: paho.MQTTMessage) -> None:
        command = json.loads(message.payload)
        number = command["id"]
        said: Any = message.properties
        assert said.CorrelationData == number.encode()
        if number not in self.done:  # a repeat is answered, not done
            time.sleep(self.delay)
            if time.time() > command["deadline"]:
                return
            self.note(number, json.dumps(command["params"]))
        answer = {"status": "done", "result": json.loads(self.done[number])}
        client.publish(said.ResponseTopic, json.dumps(answer), qos=1)

    def note(self, number: str, result: str) -> None:
        """Executed: on disk before anybody hears of it."""
        with self.record.open("a") as file:
            file.write(f"{number} {result}\n")
            file.flush()
            os.fsync(file.fileno())
        self.done[number] = result


if __name__ == "__main__":
    Press(sys.argv[2], Path(sys.argv[3]), float(sys.argv[4]) if len(sys.argv) > 4 else 0.0).run(int(sys.argv[1]))
