"""What vendors' scripts cost: calls a second, and an honest script's latency while others are being stopped.

python -m benchmarks.lorawan [SECONDS]; prints JSON. Takes about four times SECONDS (default 5).
"""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import psutil

from holdfast.codecs.lorawan.calls import Call
from holdfast.codecs.lorawan.runner import ScriptRunner
from holdfast.codecs.lorawan.scripts import Script, load_script
from holdfast.kernel.clock import SystemClock

ROOT = Path(__file__).parents[1]
ROOM = ROOT / "tests" / "unit" / "codecs" / "lorawan" / "vendors" / "north" / "room.js"
PAYLOAD = bytes.fromhex("0367e6ff04687d0565fb0001755c")
HOSTILE = {
    "loop": "function decodeUplink() { for (;;); }",
    "join": "function decodeUplink() { return { data: new Array(4294967295).join('') }; }",
    "memory": "function decodeUplink() { var a = []; for (;;) a.push(new Array(1e5).fill(a)); }",
    "regexp": "function decodeUplink() { return { data: /^(a+)+$/.test('a'.repeat(40) + 'b') }; }",
}
PACE_S = 0.01


def uplink() -> Call:
    argument = {"fPort": 85, "bytes": list(PAYLOAD), "recvTime": time.time_ns() // 10**6}
    return Call("decodeUplink", msgspec.json.encode(argument))


async def throughput(runner: ScriptRunner, seconds: float, lanes: int) -> float:
    """Calls a second with batches of 32, on `lanes` scripts at once."""
    scripts = [Script(f"{i}", f"// {i}\n" + load_script(ROOM).source) for i in range(lanes)]
    for script in scripts * 2:  # the second time starts the other worker
        await runner.run(script, [uplink()])
    began = time.monotonic()

    async def one(script: Script) -> int:
        done = 0
        while time.monotonic() < began + seconds:
            answers = await runner.run(script, [uplink()] * 32)
            done += sum(answer.fault is None for answer in answers)
        return done

    return sum(await asyncio.gather(*map(one, scripts))) / (time.monotonic() - began)


async def latencies(runner: ScriptRunner, going_on: Callable[[], bool]) -> list[float]:
    """One call each 10 ms, ms each."""
    honest, found = load_script(ROOM), []
    while going_on():
        began = time.monotonic()
        (answer,) = await runner.run(honest, [uplink()])
        if answer.fault is not None:
            raise SystemExit(f"the honest script failed: {answer.text}")
        found.append((time.monotonic() - began) * 1000)
        await asyncio.sleep(PACE_S)
    return found


async def under_attack(runner: ScriptRunner, seconds: float) -> list[float]:
    """The same while ever new hostile scripts are stopped, one after the other, all of them at once."""
    is_over = False

    async def attack() -> None:
        number = 0
        began = time.monotonic()
        while time.monotonic() < began + seconds:
            number += 1
            some = [Script(f"{name}-{number}", f"{source} // {number}") for name, source in HOSTILE.items()]
            await asyncio.gather(*(runner.run(script, [uplink()]) for script in some))

    async def attack_and_tell() -> None:
        nonlocal is_over
        await attack()
        is_over = True

    attacker = asyncio.ensure_future(attack_and_tell())
    found = await latencies(runner, lambda: not is_over)
    await attacker
    return found


def said(ms: list[float]) -> dict[str, float]:
    ordered = sorted(ms)
    worst = {f"p{q}": ordered[min(len(ordered) - 1, len(ordered) * q // 100)] for q in (50, 95, 99)}
    return {name: round(value, 2) for name, value in {**worst, "max": ordered[-1], "calls": len(ms)}.items()}


async def main(seconds: float) -> None:
    runner = ScriptRunner(SystemClock())
    figures: dict[str, object] = {}
    try:
        figures["calls_per_s_one_script"] = round(await throughput(runner, seconds, 1))
        figures["calls_per_s_four_scripts"] = round(await throughput(runner, seconds, 4))
        await runner.run(load_script(ROOM), [uplink()])
        until = time.monotonic() + seconds
        figures["honest_ms"] = said(await latencies(runner, lambda: time.monotonic() < until))
        figures["honest_ms_under_attack"] = said(await under_attack(runner, seconds))
        children = [p.memory_info().rss / 2**20 for p in psutil.Process().children()]
        figures["worker_rss_mib"] = round(statistics.mean(children), 1)
    finally:
        await runner.close()
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0))
