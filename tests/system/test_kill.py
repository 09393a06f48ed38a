"""kill -9 of gateway and hub at random moments under load: nothing acked is lost, nothing doubled (G1, G2).

The device process keeps its own record and shares no code with the nodes. The same check must fail on a build that
acks before the commit and on one that stores the watermark in a second transaction.
"""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.system.kill.site import Site, Verdict, judge, mutant, seeded, tally

pytestmark = pytest.mark.system

DEVICE = Path(__file__).parent / "kill" / "device.py"
SEED = 20261121


def torment(site: Site, kills: int, *, victims: list[str], seed: int, rate: int = 600, devices: int = 8) -> Verdict:
    """Publish while killing one of `victims` at a time, `kills` times; then let everything settle and judge."""
    rng = seeded(seed)
    site.prepare()
    record = site.folder / "record.txt"
    for name in ("hub", "gw"):
        site.start(name)
        site.wait_up(name)
    device = subprocess.Popen([sys.executable, str(DEVICE), str(site.mqtt), str(record), str(devices), str(rate), "1"])
    killed = []
    try:
        for _ in range(kills):
            time.sleep(float(rng.uniform(0.15, 0.6)))
            name = victims[int(rng.integers(len(victims)))]
            site.kill(name)
            killed.append(name)
            site.start(name)
            site.wait_up(name)
        time.sleep(0.5)
        device.send_signal(signal.SIGTERM)
        assert device.wait(60) == 0
        site.wait_synced()
    finally:
        device.kill()
        device.wait()
        site.stop()
    verdict = judge(site, record)
    print(f"seed {seed}: killed {tally(killed)}; {verdict}")
    return verdict


@pytest.mark.timeout(420)
def test_fifty_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    verdict = torment(Site(tmp_path), 50, victims=["gw", "hub"], seed=SEED)
    assert verdict.acked > 5_000
    assert (verdict.lost, verdict.doubled, verdict.wrong) == (0, 0, 0)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_five_hundred_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    for seed in range(10):
        folder = tmp_path / str(seed)
        folder.mkdir()
        verdict = torment(Site(folder), 50, victims=["gw", "hub"], seed=seed)
        assert (verdict.lost, verdict.doubled, verdict.wrong) == (0, 0, 0), seed


@pytest.mark.timeout(240)
def test_the_check_catches_a_build_that_acks_before_the_commit(tmp_path: Path) -> None:
    source = mutant(
        tmp_path,
        {
            "intake/service.py": [
                (
                    "        self._pending.append(prepared)\n",
                    "        self._pending.append(prepared)\n"
                    "        for arrival in prepared.arrivals:\n"
                    "            arrival.receipt.settle()\n",
                ),
                ("                    arrival.receipt.settle()\n", "                    pass\n"),
            ]
        },
    )
    for seed in range(6):
        folder = tmp_path / str(seed)
        folder.mkdir()
        if torment(Site(folder, source), 8, victims=["gw"], seed=seed, rate=3000).lost:
            return
    pytest.fail("48 kills did not show the lost messages of a build that acks before the commit")


@pytest.mark.timeout(300)
def test_the_check_catches_a_build_that_stores_the_watermark_in_a_second_transaction(tmp_path: Path) -> None:
    source = mutant(
        tmp_path,
        {
            "ingest/applying.py": [
                (
                    "    tx.set_mark(child, branch.number, lane, "
                    "advanced(branch.marks[lane], header, verdict, gap_rows))\n",
                    "    after = advanced(branch.marks[lane], header, verdict, gap_rows)\n"
                    "    tx.later = lambda second: second.set_mark(child, branch.number, lane, after)\n",
                ),
            ],
            "ingest/service.py": [
                (
                    "        reply = await self._journal.submit(lambda tx: apply_batch("
                    "tx, self._door, child, content, chains, applied))\n",
                    "        seen = []\n"
                    "        reply = await self._journal.submit(\n"
                    "            lambda tx: (seen.append(tx), apply_batch("
                    "tx, self._door, child, content, chains, applied))[1]\n        )\n"
                    "        if hasattr(seen[-1], 'later'):\n"
                    "            await self._journal.submit(seen[-1].later)\n",
                ),
            ],
        },
    )
    for seed in range(8):
        folder = tmp_path / str(seed)
        folder.mkdir()
        if torment(Site(folder, source), 8, victims=["hub"], seed=seed, rate=3000).doubled:
            return
    pytest.fail("64 kills did not show the doubled rows of a build that stores the watermark separately")
