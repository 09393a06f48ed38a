"""The way of a new user, as the README tells it: init, run, one mosquitto_pub, a live chart."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from tests.ports import free_port
from tests.system.pages.browser import opened

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
ROOT = Path(__file__).parents[3]
HOLDFAST = [sys.executable, "-m", "holdfast"]


def told() -> list[str]:
    """The commands of the README's section, as they stand there."""
    section = (ROOT / "README.md").read_text().partition("## Your own device")[2].partition("\n## ")[0]
    return [line for line in section.partition("```sh\n")[2].partition("```")[0].splitlines() if line.strip()]


def test_the_readme_needs_no_more_than_five_commands() -> None:
    commands = told()
    assert 3 <= len(commands) <= 5
    assert sum("holdfast init" in one for one in commands) == 1
    assert sum("mosquitto_pub" in one for one in commands) == 1


def test_a_first_device_is_on_a_live_chart(tmp_path: Path) -> None:
    begun = subprocess.run([*HOLDFAST, "init", "site"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "mosquitto_pub" in begun.stdout
    mqtt, api = free_port(), free_port()
    settings = tmp_path / "site" / "node.yaml"  # the ports are other tests' as well
    settings.write_text(settings.read_text().replace(":1883", f":{mqtt}").replace(":8080", f":{api}"))
    with (tmp_path / "log").open("wb") as log:
        node = subprocess.Popen([*HOLDFAST, "run", str(settings)], stdout=log, stderr=log)
    try:
        asyncio.run(_looked(mqtt, f"http://127.0.0.1:{api}"))
    finally:
        node.terminate()
        node.wait(20)


async def _looked(mqtt: int, page_at: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        for _ in range(200):
            try:
                if (await client.get(f"{page_at}/readyz")).status_code == 200:
                    break
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)
    await _published(mqtt, 21.5)
    async with opened() as watched:
        page = watched.page
        await page.goto(page_at)
        await page.get_by_role("link", name="Charts").first.click()
        await page.get_by_role("button", name="Series").first.click()
        await page.get_by_role("searchbox").last.fill("press temp")
        await page.get_by_text(re.compile("plant:press-1")).last.click()
        await page.keyboard.press("Escape")
        await page.get_by_text("21.5 °C").first.wait_for()
        await _published(mqtt, 22.25)
        await page.get_by_text("22.25 °C").first.wait_for(timeout=5_000)  # without anybody asking for it
        assert watched.errors == []


async def _published(mqtt: int, value: float) -> None:
    words = ["-p", str(mqtt), "-q", "1", "-t", "plant/press-1", "-m", f'{{"temp": {value}}}']
    sent = await asyncio.create_subprocess_exec("mosquitto_pub", *words)
    assert await sent.wait() == 0
