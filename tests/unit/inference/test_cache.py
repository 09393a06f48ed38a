"""Which models stay in memory."""

import asyncio
import threading
from pathlib import Path

import pytest
from tests.unit.inference.making import autoencoder, folder

from holdfast.inference.cache import ModelCache
from holdfast.inference.card import Card
from holdfast.inference.door import open_model
from holdfast.inference.errors import ModelRefused, ModelTooLarge
from holdfast.inference.runtimes.port import Options
from holdfast.storage.claims import Claim
from holdfast.storage.errors import InUse, StorageUnusable

MB = 1_000_000


class Weighing:
    """A trier that says what models take, by their name: `m3` three megabytes."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.wait = threading.Event()
        self.wait.set()

    def judge(self, folder: Path, card: Card, _options: Options) -> int:
        self.wait.wait()
        self.asked.append(card.model)
        if card.model == "bad":
            raise ModelRefused(folder, "it's bad")
        return int(card.model[1:]) * MB


def model(at: Path, name: str) -> Path:
    return folder(at / name, autoencoder(), model=name)


def test_a_model_is_loaded_once_and_shared(tmp_path: Path) -> None:
    trier = Weighing()
    cache, place = ModelCache(10 * MB, trier), model(tmp_path, "m1")
    with cache.hold(place) as one, cache.hold(place) as other:
        assert one is other
    with cache.hold(place) as again:
        assert again is one
    with cache.hold(place, Options(threads=2)) as another:
        assert another is not one
    figures = cache.figures
    assert (figures.hits, figures.misses, figures.models, figures.at_work, figures.used) == (2, 2, 2, 0, 2 * MB)


def test_the_least_recently_used_goes_first_and_those_at_work_stay(tmp_path: Path) -> None:
    trier = Weighing()
    cache = ModelCache(10 * MB, trier)
    pinned = cache.hold(model(tmp_path, "m3"))
    for name in ("m2", "m4"):
        cache.hold(model(tmp_path, name)).release()
    cache.hold(tmp_path / "m2").release()  # m4 is now the oldest that isn't at work
    cache.hold(model(tmp_path, "m5")).release()
    assert (cache.figures.evictions, cache.figures.used) == (1, 10 * MB)
    for name in ("m2", "m3", "m5"):
        cache.hold(tmp_path / name).release()
    assert trier.asked == ["m3", "m2", "m4", "m5"]
    pinned.release()
    pinned.release()
    assert cache.figures.at_work == 0
    cache.clear()
    assert cache.figures.models == 0


def test_a_model_that_does_not_fit_is_refused_with_what_to_do_and_nothing_at_work_is_lost(tmp_path: Path) -> None:
    cache = ModelCache(10 * MB, Weighing())
    with pytest.raises(ModelTooLarge, match=r"m11@1\.0\.0 takes 11,000,000 bytes, and `models.memory` allows 10,000"):
        cache.hold(model(tmp_path, "m11"))
    with cache.hold(model(tmp_path, "m6")):
        with pytest.raises(ModelTooLarge, match="of which models at work have 6,000,000") as caught:
            cache.hold(model(tmp_path, "m5"))
        assert "models.deploy" in caught.value.hint
    assert (cache.figures.refused, cache.figures.models) == (2, 1)


def test_several_who_ask_at_once_wait_for_one_load(tmp_path: Path) -> None:
    trier = Weighing()
    trier.wait.clear()
    cache, place = ModelCache(10 * MB, trier), model(tmp_path, "m1")

    async def all_ask() -> int:
        threading.Timer(0.05, trier.wait.set).start()
        return len({id(held.model) for held in await asyncio.gather(*(cache.held(place) for _ in range(8)))})

    assert asyncio.run(all_ask()) == 1
    assert (trier.asked, cache.figures.misses, cache.figures.hits) == (["m1"], 1, 7)


def test_a_load_that_fails_leaves_nothing_behind_and_may_be_tried_again(tmp_path: Path) -> None:
    cache, place = ModelCache(10 * MB, Weighing()), model(tmp_path, "bad")
    for _ in range(2):
        with pytest.raises(ModelRefused, match="it's bad"):
            cache.hold(place)
    assert (cache.figures.models, cache.figures.misses) == (0, 2)
    Claim(place, alone=True)


def test_a_model_at_work_has_a_claim_on_its_folder(tmp_path: Path) -> None:
    cache, place = ModelCache(10 * MB, Weighing()), model(tmp_path, "m1")
    one, other = cache.hold(place), cache.hold(place)
    one.release()
    with pytest.raises(InUse):
        Claim(place, alone=True)
    other.release()
    Claim(place, alone=True).release()
    with pytest.raises(StorageUnusable):
        cache.hold(tmp_path / "gone")


def test_a_trusted_model_is_not_tried_elsewhere(tmp_path: Path) -> None:
    trier = Weighing()
    with ModelCache(100 * MB, trier).hold(model(tmp_path, "m1"), trusted=True) as held:
        assert held.memory_bytes < 100 * MB
        assert held.card.ref == open_model(tmp_path / "m1").card.ref
    assert trier.asked == []
