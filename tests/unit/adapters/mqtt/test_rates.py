from holdfast.adapters.mqtt.rates import Bucket, Buckets, Guesses


def test_a_bucket_gives_what_came_in_and_no_more() -> None:
    bucket = Bucket(10.0, 5.0, 0.0)
    assert [bucket.take(0.0) for _ in range(6)] == [True] * 5 + [False]
    assert bucket.take(0.1)
    assert not bucket.take(0.1)
    assert [bucket.take(100.0) for _ in range(6)] == [True] * 5 + [False]


def test_a_debt_is_paid_in_time() -> None:
    bucket = Bucket(10.0, 10.0, 0.0)
    assert bucket.spend(10, 0.0) == 0
    assert bucket.spend(20, 0.0) == 2.0
    assert bucket.wait(1.5) == 0.5
    assert bucket.wait(2.0) == 0
    assert not bucket.is_full(2.5)
    assert bucket.is_full(3.0)


def test_buckets_are_bounded_and_forgotten_when_full() -> None:
    buckets = Buckets(1.0, limit=3)
    for name in "abc":
        assert buckets.of(name, 0.0).take(0.0)
    assert not buckets.of("a", 0.0).take(0.0)
    buckets.of("d", 0.0)
    assert len(buckets) == 3
    assert not buckets.of("a", 0.0).take(0.0)
    buckets.prune(5.0)
    assert len(buckets) == 0


def test_guessing_gets_slower_from_the_fourth_failure_on() -> None:
    guesses = Guesses(1.0, 60.0, limit=2, forget_s=900.0)
    waits = []
    for _ in range(12):
        guesses.failed("x", 0.0)
        waits.append(guesses.wait("x", 0.0))
    assert waits == [0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert guesses.wait("x", 59.0) == 1.0
    assert guesses.wait("y", 0.0) == 0
    guesses.failed("x", 1000.0)
    assert guesses.wait("x", 1000.0) == 0
    guesses.failed("y", 1000.0)
    guesses.failed("z", 1000.0)
    assert len(guesses._by_address) == 2
