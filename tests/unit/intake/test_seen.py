import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from holdfast.intake.seen import SeenKeys

one_key = st.integers(0, 150).map(lambda k: k * 0x9E3779B97F4A7C15 % 2**64)
keys = st.one_of(st.lists(one_key, max_size=30), st.lists(one_key, min_size=65, max_size=130))
"""Small and large batches: they take different ways through the table."""


@given(st.lists(keys, max_size=8))
def test_it_equals_a_plain_set_while_nothing_is_forgotten(batches: list[list[int]]) -> None:
    seen, model = SeenKeys(1000), set[int]()
    for batch in batches:
        expected = []
        for key in batch:
            expected.append(key == 0 or key not in model)
            model.add(key)
        assert seen.admit(np.array(batch, np.uint64)).tolist() == expected


def test_keys_that_share_a_slot_are_told_apart() -> None:
    seen = SeenKeys(64)
    colliding = np.array([1 + 64 * n for n in range(20)], np.uint64)
    assert seen.admit(colliding).all()
    assert not seen.admit(colliding).any()


def test_memory_is_bounded_and_the_latest_half_is_kept() -> None:
    seen = SeenKeys(100)
    for start in range(1, 1001, 10):
        seen.admit(np.arange(start, start + 10, dtype=np.uint64))
    assert len(seen) <= 100
    assert not seen.admit(np.arange(951, 1001, dtype=np.uint64)).any()
    assert seen.admit(np.arange(1, 51, dtype=np.uint64)).all()


def test_a_batch_larger_than_the_memory_is_taken() -> None:
    seen = SeenKeys(10)
    assert seen.admit(np.arange(1, 101, dtype=np.uint64)).all()
    assert len(seen) <= 10


def test_of_keys_recalled_the_latest_stay_known() -> None:
    for keep in (10, 1_000, 100_000):
        keys = np.random.default_rng(1).permutation(np.arange(1, 3 * keep + 1)).astype(np.uint64)
        seen = SeenKeys(keep)
        seen.recall(keys)
        assert len(seen) <= keep
        assert not seen.admit(keys[-(keep * 2 // 5) :]).any()
