"""A message's dedupe key doesn't depend on how many came with it."""

import numpy as np

from holdfast.codecs.keys import id_words, mix


def test_few_messages_get_the_keys_that_many_get() -> None:
    rng = np.random.default_rng(18)
    devices = rng.integers(0, 1 << 64, 400, np.uint64)
    ids = np.concatenate([rng.integers(0, 1 << 64, 396, np.uint64), np.array([0, 1, 2**63, 2**64 - 1], np.uint64)])
    together = mix(devices, ids)
    alone = [mix(devices[i : i + 1], ids[i : i + 1]) for i in range(400)]
    np.testing.assert_array_equal(np.concatenate(alone), together)


def test_an_identifier_of_digits_is_text_whatever_comes_beside_it() -> None:
    alone, beside = id_words(["12"]), id_words(["12", "x"])
    assert alone[0] == beside[0]
    assert len(set(id_words(["7", "07", " 7", "7_0", "70", "99999999999999999999"]).tolist())) == 6
    np.testing.assert_array_equal(id_words([5, -1, "x"])[:2], id_words([5, -1]))
