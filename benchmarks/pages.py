"""How the pages feel in Debian's Chromium: python -m benchmarks.pages [--only paint,live,crowd,map] [--rounds 5].

    paint   first contentful paint in ms of the overview and the charts, the CPU slowed 4 times, about a Raspberry Pi 4;
            caches warm and cold
    live    20 live series at 100 messages/s, seen for 20 s: time between frames in ms, and tasks over 50 ms
    crowd   5,000 series of 500 devices with an open alert each: every page opened and scrolled, the longest task in ms
    map     300 sites on a hub's map, zoomed in and out by wheel: the longest task in ms

Nothing else should run: browser, node and devices share the machine as it is. Goals: 1,000 ms, 16.7 ms, 100 ms, 100 ms.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from playwright.async_api import Page
from tests.system.fleet_of_sites import Fleet
from tests.system.pages.browser import opened
from tests.system.pages.crowd import crowd, longest_task, pages_of
from tests.system.pages.works import works

from benchmarks.options import Figures, percentiles

SERIES, SITES, LOOK_S = 20, 300, 20
_FRAMES = (
    "() => new Promise(done => { const found = []; let last = performance.now(); const end = last + %d;"
    "const tick = now => { found.push(now - last); last = now;"
    "now < end ? requestAnimationFrame(tick) : done(found); }; requestAnimationFrame(tick); })"
)


def paint(rounds: int) -> Figures:
    async def painted(page: Page, url: str) -> float:
        await page.goto(url)
        await page.wait_for_selector("main h1")
        entries = await page.evaluate("performance.getEntriesByName('first-contentful-paint').map(e => e.startTime)")
        return float(entries[0])

    async def run(url: str) -> tuple[float, float]:
        async with opened() as watched:
            devtools = await watched.page.context.new_cdp_session(watched.page)
            await devtools.send("Emulation.setCPUThrottlingRate", {"rate": 4})
            return await painted(watched.page, url), await painted(watched.page, url)

    figures: Figures = {}
    with tempfile.TemporaryDirectory() as folder, works(Path(folder)) as site, site.devices():
        time.sleep(5)
        for name, path in (("overview", ""), ("charts", "/charts?series=gw/room-001/air.temperature")):
            cold, warm = zip(*(asyncio.run(run(site.page + path)) for _ in range(rounds)), strict=True)
            for state, found in (("cold", cold), ("warm", warm)):
                figures[f"{name}_{state}_ms"] = round(sorted(found)[rounds // 2])
    return figures


def live(rounds: int) -> Figures:
    async def run(url: str) -> tuple[list[float], list[float]]:
        async with opened() as watched:
            page = watched.page
            await page.goto(url)
            await page.wait_for_function(f"() => document.querySelectorAll('.ch-legend li').length === {SERIES}")
            await page.wait_for_timeout(3_000)
            await page.evaluate("window.__longTasks.length = 0")
            frames = await page.evaluate(_FRAMES % (LOOK_S * 1000))
            return [float(one) for one in frames[1:]], await watched.long_tasks()

    frames, tasks = list[float](), list[float]()
    with tempfile.TemporaryDirectory() as folder, works(Path(folder)) as site, site.devices(25, 100):
        time.sleep(5)
        names = [("series", f"gw/room-{n:03d}/air.temperature") for n in range(SERIES)]
        url = str(httpx.URL(f"{site.page}/charts", params=[*names, ("span", "1m")]))
        for _ in range(max(1, rounds // 2)):
            more, long = asyncio.run(run(url))
            frames, tasks = frames + more, tasks + long
    late = sum(1 for one in frames if one > 25) / len(frames)
    figures = percentiles(frames, "frame_ms") | {"frames": len(frames), "later_than_25_ms": round(late, 4)}
    return figures | {"tasks_over_50_ms": len(tasks), "longest_task_ms": round(max(tasks, default=0.0))}


def crowded(rounds: int) -> Figures:
    async def all_of(base: str) -> dict[str, float]:
        async with opened() as watched:
            await watched.page.goto(base)
            return {one: await longest_task(watched, base + one) for one in await pages_of(watched.page)}

    with tempfile.TemporaryDirectory() as folder, crowd(Path(folder)) as site:
        turns = [asyncio.run(all_of(site.page)) for _ in range(rounds)]
    return {page: round(sorted(turn[page] for turn in turns)[rounds // 2]) for page in turns[0]}


def world(rounds: int) -> Figures:
    many = [(f"s{n}", f"Site {n}", -50.0 + (n * 37) % 120, -170.0 + (n * 61) % 340) for n in range(SITES)]

    async def run(url: str) -> float:
        async with opened() as watched:
            page = watched.page
            await page.goto(url)
            await page.get_by_role("region", name="Sites").get_by_text("s0", exact=True).wait_for(state="attached")
            await page.wait_for_timeout(1_500)
            await page.evaluate("window.__longTasks.length = 0")
            box = await page.locator(".site-map").bounding_box()
            assert box is not None
            await page.mouse.move(box["x"] + 200, box["y"] + 150)
            for turn in range(12):
                await page.mouse.wheel(0, -120 if turn < 6 else 120)
                await page.wait_for_timeout(40)
            return max(await watched.long_tasks(), default=0.0)

    with tempfile.TemporaryDirectory() as folder:
        made = Fleet(Path(folder), far=many)
        made.prepare()
        try:
            made.bring_up(["hub"])
            for name, *_ in many:
                made.tell(name)
            longest = sorted(asyncio.run(run(f"https://127.0.0.1:{made.hub}/sites")) for _ in range(rounds))
        finally:
            made.stop()
    return {"longest_task_ms": round(longest[rounds // 2]), "worst_round_ms": round(longest[-1])}


KINDS: dict[str, Callable[[int], Figures]] = {"paint": paint, "live": live, "crowd": crowded, "map": world}

if __name__ == "__main__":
    words = argparse.ArgumentParser()
    words.add_argument("--only", default=",".join(KINDS))
    words.add_argument("--rounds", type=int, default=5)
    asked = words.parse_args()
    for kind in asked.only.split(","):
        json.dump({kind: KINDS[kind](asked.rounds)}, sys.stdout, indent=1)
        print(flush=True)
