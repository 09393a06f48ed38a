"""A gateway and a hub as real processes (`holdfast run`), with settings of the benchmark's choice."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.system.kill.site import Site

from benchmarks import alarm
from holdfast.journal.journal import FILE_NAME
from holdfast.journal.reader import JournalReader
from holdfast.model.lane import Lane


class Pair(Site):
    """`parent_port`: what the gateway dials; the hub itself, or a proxy before it."""

    def write_settings(self, parent_port: int | None = None, parent: str = "", more: str = "") -> Path:
        """node.yaml of both; returns the gateway's."""
        self.prepare()
        (self.folder / "alarm.yaml").write_text(alarm.RULES)
        port = parent_port or self.hub
        hub = self.folder / "hub.yaml"
        hub.write_text(hub.read_text() + "journal: {quota: 60GB}\n")
        path = self.folder / "gw.yaml"
        path.write_text(
            f"node: gw\ndata: gw\nmqtt: {{listen: '127.0.0.1:{self.mqtt}', anonymous: true}}\n"
            "profiles: ['builtin:rooms']\nrules: [alarm.yaml]\njournal: {quota: 60GB}\n"
            f"parent: {{url: 'https://127.0.0.1:{port}', ca: ca.pem, token_file: gw.token{parent}}}\n{more}"
        )
        return path

    @contextlib.contextmanager
    def up(self, *names: str) -> Iterator[None]:
        """The named nodes run inside the block; those already running go on, and all end with it."""
        try:
            for name in names:
                self.start(name)
                self.wait_up(name)
            yield
        finally:
            self.stop()

    def rows(self, name: str, lane: Lane = Lane.BULK) -> int:
        """The committed head of a lane, from the node's file."""
        reader = JournalReader(self.folder / name / FILE_NAME)
        try:
            return reader.heads()[lane]
        finally:
            reader.close()

    def agree(self) -> bool:
        """Does the hub hold, in every lane, a history with the gateway's own hash at its head?"""
        gateway, hub = (JournalReader(self.folder / name / FILE_NAME) for name in ("gw", "hub"))
        try:
            branches, heads = hub.branches("gw"), gateway.heads()
            return bool(branches) and all(
                branches[-1].marks[lane].wm == head and branches[-1].marks[lane].chain == gateway.chain_at(lane, head)
                for lane, head in heads.items()
            )
        finally:
            gateway.close()
            hub.close()

    def pid(self, name: str) -> int:
        return self.processes[name].pid

    @contextlib.contextmanager
    def alarms(self, rate: float) -> Iterator[alarm.Watcher]:
        """Alarms at `rate` a second and their watcher, inside the block."""
        watcher = alarm.Watcher(self.folder / "hub")
        watcher.start()
        command = [sys.executable, "-m", "benchmarks.alarm", str(self.mqtt), str(rate)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            yield watcher
        finally:
            process.terminate()
            process.wait(15)
            time.sleep(0.5)
            watcher.stop()
