"""Orders through real processes over a link that is cut, with everything killed: each takes effect once, in order."""

from pathlib import Path

import pytest
from tests.system.shop.shop import Shop, judge

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]


def test_orders_wait_out_a_cut_link_and_are_booked_once_and_in_order(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    answered = set()
    try:
        shop.open()
        for i in range(60):
            if i == 20:
                shop.link.cut()
            shop.order(f"o-{i}", i)
            answered.add(f"o-{i}")
        assert len(shop.booked()) < 60
        shop.link.restore()
        shop.wait_booked()
    finally:
        shop.close()
    verdict = judge(shop, answered)
    assert verdict.is_exact, verdict
    assert verdict.answered == 60
    for node in ("gw", "hub"):
        ledger = shop.ledger(node)
        assert ledger.balanced, ledger
    assert shop.ledger("gw").rows.messages == 60
    assert (shop.depth().acked, shop.depth().residual) == (60, 0)


def take_orders(shop: Shop, stop: threading.Event, answered: set[str], every_s: float) -> None:
    number = 0
    while not stop.is_set():
        number += 1
        shop.order(f"o-{number}", number)
        answered.add(f"o-{number}")
        stop.wait(every_s)


def trouble(shop: Shop, rng: random.Random, seconds: float) -> dict[str, int]:
    """Kill something and start it again, or cut the link for a while; again and again."""
    done: dict[str, int] = {}
    names = ("till-0", "till-1", "books", "gw", "hub", "link")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(rng.uniform(0.1, 0.6))
        name = rng.choice(names)
        done[name] = done.get(name, 0) + 1
        if name == "link":
            shop.link.cut()
            time.sleep(rng.uniform(0.1, 1.0))
            shop.link.restore()
        else:
            if name.startswith("till"):  # one worker takes orders while the other is away
                shop.wait_till("till-0" if name == "till-1" else "till-1")
            shop.restart(name)
    return done


def troubled(shop: Shop, seed: int, seconds: float) -> set[str]:
    answered: set[str] = set()
    stop = threading.Event()
    try:
        shop.open()
        customers = threading.Thread(target=take_orders, args=(shop, stop, answered, 0.005))
        customers.start()
        done = trouble(shop, random.Random(seed), seconds)
        stop.set()
        customers.join()
        print(f"{len(answered)} orders; {done}")
        shop.wait_booked(30)
    finally:
        stop.set()
        shop.close()
    return answered


def test_kills_of_everything_lose_and_double_no_order(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    answered = troubled(shop, 1, 20)
    verdict = judge(shop, answered)
    assert verdict.is_exact, verdict
    assert verdict.answered > 200
    for node in ("gw", "hub"):
        ledger = shop.ledger(node)
        assert ledger.balanced, ledger
    assert shop.depth().residual == 0
