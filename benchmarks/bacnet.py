"""BACnet/IP: properties a second, many at once against one by one, and what datagrams nobody wants cost.

python -m benchmarks.bacnet [--objects 200] [--rounds 7]; prints JSON.

The device is bacpypes3's stack in a process of its own on loopback; our side asks with its own frames. Medians; the
ratio is of the same run. Costs are microseconds of our CPU for each datagram.
"""

import argparse
import asyncio
import json
import multiprocessing
import statistics
import time

from holdfast.adapters.bacnet import services
from holdfast.adapters.bacnet.frames import Station, unconfirmed, unicast
from holdfast.adapters.bacnet.limits import Limits
from holdfast.adapters.bacnet.link import Ears, Link
from holdfast.adapters.bacnet.objects import PRESENT_VALUE, STATUS_FLAGS, Ref
from holdfast.adapters.bacnet.places import Place
from holdfast.adapters.bacnet.reading import Reader
from holdfast.kernel.clock import SystemClock
from holdfast.sim.demo.plan import free_ports
from holdfast.sim.ends.bacnet import BacnetEnd, BacnetEndSettings
from holdfast.sim.ends.port import DevicePlan, PointPlan

COUNT = 20_000
NOTICE = bytes.fromhex("0901 1c02000007 2c00000001 390a 4e 0955 2e 4440600000 2f 096f 2e 820400 2f 4f")


def serve(port: int, objects: int, is_up: "multiprocessing.synchronize.Event") -> None:
    """The device, for ever."""

    async def run() -> None:
        points = {f"p{i}": PointPlan("m", "Cel") for i in range(objects)}
        end = BacnetEnd("b", BacnetEndSettings(address=f"127.0.0.1:{port}"), {"d": DevicePlan(0, points)})
        await end.start()
        is_up.set()
        await asyncio.sleep(3600)

    asyncio.run(run())


async def reads(port: int, objects: int, rounds: int) -> dict[str, float]:
    """Properties a second, both ways."""
    clock = SystemClock()
    link = Link(Place("127.0.0.1", free_ports(1)[0]), None, Limits(100_000), clock, services.name_of)
    await link.open()
    refs = [Ref(2, i, prop) for i in range(1, objects + 1) for prop in (PRESENT_VALUE, STATUS_FLAGS)]
    many, single = Reader(link.ask, clock), Reader(link.ask, clock)
    many.max_apdu, single.can_multiple = 1024, False
    took: dict[str, list[float]] = {"many": [], "single": []}
    for _ in range(rounds):
        for name, reader in (("many", many), ("single", single)):
            began = time.perf_counter()
            found = await reader.read(Station("127.0.0.1", port), refs, 10.0)
            assert len(found) == len(refs)
            assert not any(one.error for one in found)
            took[name].append(len(refs) / (time.perf_counter() - began))
    link.close()
    many_s, single_s = (round(statistics.median(took[name])) for name in ("many", "single"))
    return {"many_per_s": many_s, "single_per_s": single_s, "ratio": round(many_s / single_s, 1)}


def costs(rounds: int) -> dict[str, float]:
    """Of datagrams that come unasked."""
    here = Station("127.0.0.1")
    iam, cov = services.i_am(7), unicast(here, unconfirmed(services.UNCONFIRMED_COV, NOTICE))
    kinds = {
        "garbage_us": (b"\x81\x0a\x00\x10nothing at all", 1e9),
        "over_limit_us": (cov, 10),
        "i_am_us": (unicast(here, unconfirmed(services.I_AM, iam)), 1e9),
        "notification_us": (cov, 1e9),
    }
    found = {}
    for name, (datagram, per_s) in kinds.items():
        link = Link(Place("127.0.0.1"), None, Limits(per_s), SystemClock(), services.name_of)
        link.ears = Ears(
            lambda pdu: (
                services.introduction(pdu.payload) and None
                if pdu.choice == services.I_AM
                else services.notice(pdu.payload, confirmed=False) and None
            ),
            lambda _: False,
        )
        took = []
        for _ in range(rounds):
            began = time.process_time()
            for _ in range(COUNT // 10):
                link._received(datagram, ("127.0.0.9", 47808))  # noqa: SLF001  # where the socket hands them in
            took.append((time.process_time() - began) / (COUNT // 10) * 1e6)
        found[name] = round(statistics.median(took), 1)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--objects", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    port, is_up = free_ports(1)[0], context.Event()
    device = context.Process(target=serve, args=(port, asked.objects, is_up), daemon=True)
    device.start()
    try:
        assert is_up.wait(20)
        found = asyncio.run(reads(port, asked.objects, asked.rounds))
    finally:
        device.terminate()
        device.join()
    print(json.dumps(found | costs(asked.rounds)))


if __name__ == "__main__":
    main()
