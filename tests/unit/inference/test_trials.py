"""Models that would take the node with them take only the process that tries them."""

import signal
import threading
from pathlib import Path

import psutil
import pytest
from tests.unit.inference.making import autoencoder, classifier, endless, folder, greedy
from tests.unit.inference.test_door import CLASSES, SCORE

from holdfast.inference.card import load_card
from holdfast.inference.door import open_model
from holdfast.inference.errors import ModelHostile, ModelRefused
from holdfast.inference.runtimes.port import Options
from holdfast.inference.trials import MOST_KEPT, Counts, Trials

QUICK = Options(load_s=0.5, largest_memory=200_000_000)


def test_a_sound_model_is_tried_once_and_its_memory_remembered_over_a_restart(tmp_path: Path) -> None:
    place, verdicts = folder(tmp_path / "m", autoencoder()), tmp_path / "verdicts"
    trials = Trials(verdicts)
    first = open_model(place, QUICK, trials)
    again = Trials(verdicts)
    second = open_model(place, QUICK, again)
    assert 0 < first.memory_bytes == second.memory_bytes < 20_000_000
    assert (trials.counts, again.counts) == (Counts(tried=1), Counts(remembered=1))


def test_a_model_that_loops_for_ever_is_refused_and_not_tried_again(tmp_path: Path) -> None:
    place, trials = folder(tmp_path, endless(), **SCORE), Trials()
    for _ in range(2):
        with pytest.raises(ModelHostile, match=r"ran for 0\.5 s of processor time and hadn't answered"):
            open_model(place, QUICK, trials)
    assert trials.counts == Counts(tried=1, remembered=1, refused=2)


def test_a_model_that_asks_for_100_gb_is_refused_by_its_memory(tmp_path: Path) -> None:
    with pytest.raises(ModelHostile, match="more than the 200,000,000 bytes of memory"):
        open_model(folder(tmp_path, greedy(), **SCORE), QUICK, Trials())


def test_what_the_door_refuses_is_refused_in_the_same_words(tmp_path: Path) -> None:
    place = folder(tmp_path, classifier(k=4), **CLASSES)
    with pytest.raises(ModelRefused, match="4 classes, and the card 3 labels"):
        open_model(place, QUICK, Trials())


def test_a_verdict_is_of_the_file_the_card_and_the_options(tmp_path: Path) -> None:
    one, trials = folder(tmp_path / "one", autoencoder()), Trials()
    trials.judge(one, load_card(one), QUICK)
    same = folder(tmp_path / "same", autoencoder(), version="2.0.0")
    trials.judge(same, load_card(same), QUICK)
    assert trials.counts == Counts(tried=1, remembered=1)
    other = folder(tmp_path / "other", autoencoder(), inputs="{features: press, shape: [4], mean: [1]}")
    trials.judge(other, load_card(other), QUICK)
    assert trials.counts.tried == 2


def test_a_damaged_verdict_is_made_anew(tmp_path: Path) -> None:
    place, verdicts = folder(tmp_path / "m", autoencoder()), tmp_path / "verdicts"
    Trials(verdicts).judge(place, load_card(place), QUICK)
    (kept,) = verdicts.glob("*.json")
    kept.write_bytes(b"{")
    trials = Trials(verdicts)
    assert trials.judge(place, load_card(place), QUICK) > 0
    assert trials.counts == Counts(tried=1)


@pytest.mark.parametrize(
    ("by", "words", "remembered"),
    [(signal.SIGSEGV, r"crashed its runtime \(SIGSEGV\)", True), (signal.SIGKILL, "was killed", False)],
)
def test_a_process_that_dies_is_a_verdict_unless_the_system_ended_it(
    tmp_path: Path, by: signal.Signals, words: str, *, remembered: bool
) -> None:
    place, trials = folder(tmp_path, endless(), **SCORE), Trials()
    known = set(psutil.Process().children())

    def end() -> None:
        while not (mine := set(psutil.Process().children()) - known):
            threading.Event().wait(0.01)
        for one in mine:
            one.send_signal(by)

    threading.Thread(target=end).start()
    with pytest.raises(ModelHostile, match=words):
        trials.judge(place, load_card(place), Options(load_s=5.0))
    assert (trials.known(load_card(place), Options(load_s=5.0)) is not None) == remembered


def test_no_more_verdicts_are_kept_than_a_thousand(tmp_path: Path) -> None:
    place, verdicts = folder(tmp_path / "m", autoencoder()), tmp_path / "verdicts"
    verdicts.mkdir()
    for at in range(MOST_KEPT + 5):
        (verdicts / f"{at}.json").write_bytes(b"{}")
    Trials(verdicts).judge(place, load_card(place), QUICK)
    assert len(list(verdicts.glob("*.json"))) == MOST_KEPT
    assert Trials(verdicts).known(load_card(place), QUICK) is not None
