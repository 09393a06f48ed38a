"""A node with models, and what it said of devices."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paho.mqtt.client as paho
from numpy.typing import NDArray
from paho.mqtt.enums import CallbackAPIVersion
from tests.ports import free_port
from tests.system.foreign.site import NodeProcess, listens
from tests.waiting import wait_until

from holdfast.journal.blobs import decode_readings
from holdfast.journal.journal import FILE_NAME, load_catalogue
from holdfast.journal.reader import JournalReader
from holdfast.model.lane import Lane
from holdfast.model.quality import words_of

PROFILE = """profiles:
  room:
    topic: rooms/{device}
    version: 1
    time: {field: ts, unit: ns}
    id: id
    stale_after: 40000d
    fields:
      temperature: {metric: air.temperature, unit: Cel, min: -40, max: 85}
      humidity: {metric: air.humidity, unit: "%RH"}
      light: {metric: light.illuminance, unit: lx, min: 0, max: 200000}
      co2: {metric: air.co2, unit: ppm}
"""
Row = tuple[int, float | str, str]
"""Time, value, reason of the quality (empty: good)."""


class ModelSite:
    """A node whose deployments a test gives, and an MQTT client beside it."""

    def __init__(self, folder: Path, models: str, more: str = "", env: Mapping[str, str] | None = None) -> None:
        self.mqtt, self.api = free_port(), free_port()
        self.node = NodeProcess(
            folder,
            f'mqtt: {{listen: "127.0.0.1:{self.mqtt}", anonymous: true}}\napi: {{listen: "127.0.0.1:{self.api}"}}\n'
            f"{models}{more}",
            env=env,
        )
        (folder / "profiles.yaml").write_text(PROFILE)

    def start(self, loads: int = 1) -> None:
        """loads: models that must be at work."""
        self.node.start()
        wait_until(lambda: listens(self.mqtt) and listens(self.api))
        wait_until(lambda: self.node.says("ModelAtWork", loads))

    def send(self, device: str, rows: Sequence[Mapping[str, float]], ts: Sequence[int]) -> None:
        """Messages in order, all acknowledged when this returns."""
        send_rows(self.mqtt, f"rooms/{device}", rows, ts)

    def rows(self, device: str, metric: str) -> list[Row]:
        """What is stored of a series, in order of time; also while the node runs."""
        return rows_of(self.node.folder / "data", device, metric)

    def values(self, device: str, metric: str) -> NDArray[Any]:
        """The values alone."""
        return np.array([value for _, value, _ in self.rows(device, metric)])


def send_rows(port: int, topic: str, rows: Sequence[Mapping[str, float]], ts: Sequence[int]) -> None:
    """Messages in order, all acknowledged when this returns."""
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(1000)
    client.connect("127.0.0.1", port)
    client.loop_start()
    sent = []
    for at, row in zip(ts, rows, strict=True):
        body = json.dumps({"id": f"{topic}-{at}", "ts": int(at), **row})
        sent.append(client.publish(topic, body, qos=1))
    for one in sent:
        one.wait_for_publish(30)
    client.disconnect()
    client.loop_stop()


def rows_of(data: Path, device: str, metric: str) -> list[Row]:
    """What is stored of a series, in order of time; also while the node runs."""
    catalogue = load_catalogue(data / FILE_NAME)
    wanted = {i for i, s in enumerate(catalogue.since(0)) if (s.device, s.metric) == (device, metric)}
    reader = JournalReader(data / FILE_NAME)
    try:
        batches = [decode_readings(group.blob) for group in reader.read(Lane.BULK, 0, 10**9)]
    finally:
        reader.close()
    found: list[Row] = []
    for batch in batches:
        for i in np.flatnonzero(np.isin(batch.series, list(wanted))).tolist():
            value = float(batch.value[i])
            is_text = bool(catalogue.is_text[batch.series[i]])
            reason = words_of(int(batch.quality[i]))[1] or ""
            found.append((int(batch.ts[i]), batch.texts[int(value)] if is_text else value, reason))
    return sorted(found, key=lambda row: row[0])
