"""CoAP with a device made with node-coap: it pushes in blocks and is observed."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.ports import free_port
from tests.system.coap_site import CoapNode
from tests.system.npm import NODE, fetched
from tests.waiting import wait_until

pytestmark = pytest.mark.system
SETTINGS = """coap:
  field: {listen: '127.0.0.1:PORT'}
  hall:
    maps:
      js:
        points:
          level: {path: senml, record: level, metric: tank.level, unit: m}
    devices:
      js: {url: 'coap://127.0.0.1:%d', map: js, every: 300ms, timeout: 2s}
"""


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fetched(Path(__file__).parent / "coapjs", tmp_path_factory.mktemp("coapjs")) / "device.mjs"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[tuple[CoapNode, int]]:
    port = free_port()
    made = CoapNode(tmp_path, SETTINGS % port)
    made.start()
    yield made, port
    assert made.stop() == 0, made.log()


def test_node_coap_pushes_in_blocks_and_is_observed(node: tuple[CoapNode, int], device: Path) -> None:
    gateway, port = node
    words = [str(NODE), str(device), str(port), str(gateway.coap)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert [process.stdout.readline().strip() for _ in range(2)] == ["listening", "pushed 2.04"]
            assert gateway.value("urn:dev:ow:js/m199") == (199, "", "good")
            wait_until(lambda: gateway.value("js/tank.level") == (1, "m", "good"))
            for value in (2, 3):
                process.stdin.write(f"{value}\n")
                process.stdin.flush()
                wait_until(lambda: gateway.value("js/tank.level") == (value, "m", "good"))  # noqa: B023  # awaited
            assert gateway.stored("tank.level").count(2) == 1
        finally:
            process.kill()
