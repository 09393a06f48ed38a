"""A message's dedupe key doesn't depend on how many came with it."""

import numpy as np

from holdfast.codecs.keys import mix


def test_few_messages_get_the_keys_that_many_get() -> None:
    rng = np.random.default_rng(18)
    devices = rng.integers(0, 1 << 64, 400, np.uint64)
    ids = np.concatenate([rng.integers(0, 1 << 64, 396, np.uint64), np.array([0, 1, 2**63, 2**64 - 1], np.uint64)])
    together = mix(devices, ids)
    alone = [mix(devices[i : i + 1], ids[i : i + 1]) for i in range(400)]
    np.testing.assert_array_equal(np.concatenate(alone), together)
