"""Debian's Chromium, driven by Playwright: pages as people see them, and what the console and axe say of them.

By hand: `python -m tests.system.pages.browser http://127.0.0.1:8080/alerts out.png --size phone --theme dark`.
"""

import argparse
import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import ConsoleMessage, Page, async_playwright

CHROMIUM = "/usr/bin/chromium"
AXE = Path(__file__).parents[3] / "web" / "node_modules" / "axe-core" / "axe.min.js"
SIZES = {"phone": (390, 844), "laptop": (1280, 800), "wall": (2560, 1440)}
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Watched:
    """A page, and what went wrong in it since it was opened."""

    page: Page
    errors: list[str] = field(default_factory=list)

    async def axe(self) -> list[dict[str, Any]]:
        """Serious and critical findings of axe-core: id, help and the places."""
        await self.page.evaluate(AXE.read_text())
        found = await self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            {"id": one["id"], "help": one["help"], "at": [node["target"] for node in one["nodes"]][:5]}
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
        ]

    async def long_tasks(self) -> list[float]:
        """Durations in ms of tasks over 50 ms since the page was opened."""
        return list(await self.page.evaluate("window.__longTasks || []"))


_WATCH_TASKS = (
    "window.__longTasks = [];"
    "new PerformanceObserver(l => { for (const e of l.getEntries()) window.__longTasks.push(e.duration); })"
    ".observe({type: 'longtask', buffered: true});"
)


@asynccontextmanager
async def opened(
    size: str = "laptop", theme: str = "light", *, trust_all: bool = True, zone: str | None = None
) -> AsyncIterator[Watched]:
    """A fresh browser with one empty page; `errors` gathers console errors and uncaught exceptions.

    zone: the IANA zone that the browser is in; None = the machine's
    """
    width, height = SIZES[size]
    async with async_playwright() as playwright:
        with tempfile.TemporaryDirectory() as folder:
            context = await playwright.chromium.launch_persistent_context(
                folder,
                executable_path=CHROMIUM,
                args=_FLAGS,
                headless=True,
                viewport={"width": width, "height": height},
                color_scheme="dark" if theme == "dark" else "light",
                has_touch=size == "phone",
                ignore_https_errors=trust_all,
                timezone_id=zone,
            )
            page = context.pages[0]
            watched = Watched(page)
            await page.add_init_script(_WATCH_TASKS)
            page.on("console", lambda message: _note(watched, message))
            page.on("pageerror", lambda error: watched.errors.append(str(error)))
            try:
                yield watched
            finally:
                await context.close()


def _note(watched: Watched, message: ConsoleMessage) -> None:
    if message.type == "error":
        watched.errors.append(f"{message.text} ({message.location.get('url', '')})")


async def _shoot(url: str, out: Path, size: str, theme: str, wait_s: float, *, full: bool) -> None:
    async with opened(size, theme) as watched:
        await watched.page.goto(url)
        await watched.page.wait_for_timeout(wait_s * 1000)
        await watched.page.screenshot(path=str(out), full_page=full)
        print(json.dumps({"errors": watched.errors, "axe": await watched.axe()}, indent=1))


if __name__ == "__main__":
    words = argparse.ArgumentParser()
    words.add_argument("url")
    words.add_argument("out", type=Path)
    words.add_argument("--size", choices=SIZES, default="laptop")
    words.add_argument("--theme", choices=["light", "dark"], default="light")
    words.add_argument("--wait", type=float, default=3.0)
    words.add_argument("--full", action="store_true", help="The whole page, not only what's in sight.")
    asked = words.parse_args()
    asyncio.run(_shoot(asked.url, asked.out, asked.size, asked.theme, asked.wait, full=asked.full))
