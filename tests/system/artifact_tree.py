"""Hub, region and gateway as processes, with shaped links between them: slow, spoilt or cut."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.system.cable import Cable
from tests.system.chain import Chain
from tests.system.kill.site import ROOT

from holdfast.sim.cut import CutProxy

PIECE = 16 << 10


class ShapedProxy(CutProxy):
    """A link with a speed for what comes down (0 = any), that turns one bit in every so many bytes (0 = none)."""

    def __init__(self, host: str, target_port: int) -> None:
        super().__init__(host, target_port)
        self.bytes_per_s = 0
        self.spoils_every = 0
        self.spoilt = 0
        self._since = 0

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_up: bool) -> None:
        if is_up:
            await super()._pump(reader, writer, is_up=True)
            return
        with contextlib.suppress(OSError):
            while data := await reader.read(PIECE):
                self.down_bytes += len(data)
                writer.write(self._spoilt(data))
                await writer.drain()
                if self.bytes_per_s:
                    await asyncio.sleep(len(data) / self.bytes_per_s)
        self._drop(writer)

    def _spoilt(self, data: bytes) -> bytes:
        self._since += len(data)
        if not self.spoils_every or self._since < self.spoils_every:
            return data
        self._since = 0
        self.spoilt += 1
        middle = len(data) // 2
        return data[:middle] + bytes([data[middle] ^ 4]) + data[middle + 1 :]


class ShapedCable(Cable):
    """A `Cable` of it."""

    proxy: ShapedProxy

    def __init__(self, target: int) -> None:
        super().__init__(target)
        plain: CutProxy = self.proxy
        self._do(plain.stop())
        self.proxy = ShapedProxy("127.0.0.1", target)
        self._do(self.proxy.start())


@dataclass
class Tree(Chain):
    """gw below region below hub, each link shaped: `top` to the hub, `bottom` to the region."""

    def prepare(self) -> None:
        self.top, self.bottom = ShapedCable(self.hub), ShapedCable(self.region)
        super().prepare()
        self.configure(more="artifacts: {fetch_within: 2s}\n")

    def parent(self, name: str, port: int, more: str = "") -> str:
        del port
        return super().parent(name, self.top.port if name == "region" else self.bottom.port, more)

    def holdfast(self, *words: str, within_s: float = 60) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
        argv = [sys.executable, "-m", "holdfast", *words]
        return subprocess.run(
            argv, cwd=self.folder, env=env, capture_output=True, text=True, timeout=within_s, check=False
        )

    def publish_file(self, size: int, name: str = "model.bin") -> tuple[str, bytes]:
        """A file of chance at the hub: its digest and bytes."""
        body = os.urandom(size)
        (self.folder / name).write_bytes(body)
        put = self.holdfast("artifact", "put", "hub.yaml", name)
        assert put.returncode == 0, put.stderr
        digest = sha256(body).hexdigest()
        assert f"sha256:{digest}" in put.stdout
        return digest, body

    def local(self, name: str) -> str:
        """The base of a node's API."""
        if name == "gw":
            return f"http://127.0.0.1:{self.gateway_api}"
        return f"https://127.0.0.1:{self.hub if name == 'hub' else self.region}"

    def begin(self, name: str, digest: str) -> None:
        self.client.post(f"{self.local(name)}/api/v1/artifacts/{digest}/fetch", json={}).raise_for_status()

    def listed(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get(f"{self.local(name)}/api/v1/artifacts").json()
        return found

    def fetching(self, name: str) -> dict[str, Any]:
        """How the one fetch of a node stands; empty = there's none."""
        with contextlib.suppress(Exception):  # it's down, or coming up
            fetches = self.listed(name)["fetches"]
            return fetches[0] if fetches else {}
        return {}

    def has(self, name: str, digest: str) -> bool:
        with contextlib.suppress(Exception):
            return any(one["digest"] == digest for one in self.listed(name)["artifacts"])
        return False

    def stop(self) -> None:
        super().stop()
        self.top.close()
        self.bottom.close()


def eventually(happens: Callable[[], bool], tree: Tree, within_s: float = 30.0) -> None:
    until = time.monotonic() + within_s
    while not happens():
        assert time.monotonic() < until, [tree.log(name)[-1500:] for name in ("hub", "region", "gw")]
        time.sleep(0.05)


def tree(folder: Path) -> Tree:
    made = Tree(folder)
    made.prepare()
    return made
