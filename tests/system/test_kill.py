"""kill -9 of gateway and hub at random moments under load: nothing acked is lost, nothing doubled (G1, G2).

The device process keeps its own record and shares no code with the nodes. The same check must fail on a build that
acks before the commit, on one that stores the watermark in a second transaction, and on one without dedupe.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.system.kill.accounting import account, wait_delivered
from tests.system.kill.migration import StoredFile
from tests.system.kill.site import METRICS, Site, Verdict, judge, mutant, seeded, tally

pytestmark = pytest.mark.system

DEVICE = Path(__file__).parent / "kill" / "device.py"
SEED = 20261121
AT_ONCE = 2  # sites


@dataclass(frozen=True)
class Plan:
    """Whom to kill, one of `victims` at each round, how often, and after how long under which load.

    awaited: the pause begins once rows are being committed again, so that every kill meets some under way
    """

    kills: int
    victims: Sequence[tuple[str, ...]] = (("gw",), ("hub",), ("gw", "hub"), ("gw", "hub"))
    pause: tuple[float, float] = (0.05, 0.4)
    rate: int = 600
    devices: int = 8
    awaited: bool = False


GATEWAY = Plan(8, [("gw",)], (0.02, 0.3), rate=3000, awaited=True)
SHEDDING = Plan(15, [("gw",)], (0.2, 1.2), rate=3000)
DRAINING = Plan(15, [("hub",)], (0.02, 0.25), rate=3000)
TINY = "journal: {quota: 700KB, ballast: 0, scrub: 0}\n"
HUB = Plan(8, [("hub",)], (0.02, 0.3), rate=3000, awaited=True)


def torment(
    site: Site, plan: Plan, seed: int, wait: Callable[[Site], None], nodes: Sequence[str] = ("hub", "gw")
) -> Path:
    """Publish while killing, then let everything be acked and synced, and stop; returns the device's record.

    wait:  until the hub has everything
    nodes: those that run meanwhile; the others are started at the end
    """
    rng = seeded(seed)
    site.prepare()
    record = site.folder / "record.txt"
    site.bring_up(nodes)
    load = [str(plan.devices), str(plan.rate), "1"]
    device = subprocess.Popen([sys.executable, str(DEVICE), str(site.mqtt), str(record), *load])
    killed: list[str] = []
    try:
        while len(killed) < plan.kills:
            names = plan.victims[int(rng.integers(len(plan.victims)))]
            for name in names if plan.awaited else ():
                site.wait_growing(name)
            time.sleep(float(rng.uniform(*plan.pause)))
            for name in names:
                site.kill(name)
            site.bring_up(names)
            killed += names
        time.sleep(0.5)
        device.send_signal(signal.SIGTERM)
        assert device.wait(180) == 0
        site.bring_up([name for name in ("hub", "gw") if name not in nodes])
        wait(site)
    finally:
        device.kill()
        device.wait()
        site.stop()
    print(f"seed {seed}: killed {tally(killed)}")
    return record


def verdict_on(site: Site, plan: Plan, seed: int) -> Verdict:
    verdict = judge(site, torment(site, plan, seed, Site.wait_synced))
    print(f"seed {seed}: {verdict}")
    return verdict


def balanced(folder: Path, plan: Plan, seed: int, more: str = "", nodes: Sequence[str] = ("hub", "gw")) -> int:
    """Torment a new site: all rows that were acked are at the hub, once, or in gaps; returns the rows in gaps."""
    folder = folder / str(seed)
    folder.mkdir()
    site = Site(folder, more=more)
    found = account(site, torment(site, plan, seed, wait_delivered, nodes), 0)
    print(f"seed {seed}: {found}")
    assert (found.acked, found.wrong) == (found.stored + found.gaps, 0), f"seed {seed}: {found}"
    assert found.lost * len(METRICS) <= found.gaps, f"seed {seed}: {found}"
    assert found.acked > 100 * len(METRICS), "there was no load"
    return found.gaps


def at_once(
    folder: Path, plan: Plan, seeds: Sequence[int], more: str = "", nodes: Sequence[str] = ("hub", "gw")
) -> int:
    """Several sites, some at a time; returns the rows in gaps."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return sum(pool.map(lambda seed: balanced(folder, plan, seed, more, nodes), seeds))


@pytest.mark.timeout(600)
def test_a_hundred_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    assert at_once(tmp_path, Plan(50), range(SEED, SEED + 2)) == 0


@pytest.mark.timeout(400)
def test_kills_while_rows_are_shed_leave_exact_gaps(tmp_path: Path) -> None:
    assert at_once(tmp_path, SHEDDING, [SEED], TINY, nodes=["gw"]) > 0


@pytest.mark.timeout(400)
def test_kills_of_the_hub_while_it_applies_a_backlog_double_nothing(tmp_path: Path) -> None:
    assert at_once(tmp_path, DRAINING, [SEED]) == 0


@pytest.mark.timeout(400)
def test_kills_during_a_migration_leave_a_file_that_opens_with_all_rows(tmp_path: Path) -> None:
    kill_while_migrating(tmp_path, 20)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_thousand_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    assert at_once(tmp_path, Plan(50), range(40)) == 0


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_kills_at_the_worst_of_times(tmp_path: Path) -> None:
    for name in ("shed", "drain", "migrate"):
        (tmp_path / name).mkdir()
    assert at_once(tmp_path / "shed", replace(SHEDDING, kills=100), range(4), TINY, nodes=["gw"]) > 0
    assert at_once(tmp_path / "drain", replace(DRAINING, kills=100), range(4)) == 0
    kill_while_migrating(tmp_path / "migrate", 400)


def kill_while_migrating(folder: Path, times: int) -> None:
    """Each time: a file of schema 1 anew, a gateway started on it and killed as it begins to write.

    How long it takes depends on what else the machine does, so the pauses follow what they met: about half of the
    kills come before the end.
    """
    rng = seeded(SEED)
    site = Site(folder)
    site.prepare()
    stored = StoredFile(folder / "gw")
    halfway, longest = 0, 0.012
    for _ in range(times):
        stored.put()
        site.start("gw")
        stored.wait_touched()
        time.sleep(float(rng.uniform(0, longest)))
        site.kill("gw")
        is_halfway = stored.schema() < stored.newest
        halfway += is_halfway
        longest *= 1.6 if is_halfway else 0.7
        assert stored.contents() == stored.promised
    print(f"seed {SEED}: {times} kills, {halfway} of them before the last schema was reached")
    assert 0 < halfway < times


@pytest.mark.timeout(400)
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
        if verdict_on(Site(folder, source), GATEWAY, seed).lost:
            return
    pytest.fail("48 kills did not show the lost messages of a build that acks before the commit")


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_check_catches_a_build_that_stores_the_watermark_in_a_second_transaction(tmp_path: Path) -> None:
    source = mutant(
        tmp_path,
        {
            "ingest/applying.py": [
                (
                    "    tx.set_mark(child, branch.number, lane, marks[lane])\n",
                    "    tx.later = lambda second: second.set_mark(child, branch.number, lane, marks[lane])\n",
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
        if verdict_on(Site(folder, source), HUB, seed).doubled:
            return
    pytest.fail("64 kills did not show the doubled rows of a build that stores the watermark separately")


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_check_catches_a_build_that_forgets_which_messages_it_has(tmp_path: Path) -> None:
    source = mutant(
        tmp_path,
        {
            "intake/prepare.py": [
                ("        return self._seen.admit(keys)\n", "        return np.ones(len(keys), np.bool_)\n")
            ]
        },
    )
    for seed in range(6):
        folder = tmp_path / str(seed)
        folder.mkdir()
        if verdict_on(Site(folder, source), GATEWAY, seed).doubled:
            return
    pytest.fail("48 kills did not show the doubled messages of a build without dedupe")
