from tests.unit.adapters.mqtt.doubles import text

from holdfast.adapters.mqtt.publication import Publication
from holdfast.adapters.mqtt.retained import RetainedStore


def message(topic: str, payload: bytes, expires: float = 0.0) -> Publication:
    return Publication(topic, text(topic), (payload,), qos=1, retain=True, expires=expires)


def kept(store: RetainedStore, topic_filter: str, now: float = 0.0) -> list[bytes]:
    return [m.payloads[0] for m in store.matching(topic_filter, now)]


def test_the_last_word_on_each_topic_is_kept_until_cleared() -> None:
    store = RetainedStore(10, 10_000)
    for topic, payload in [("a/b", b"1"), ("a/c", b"2"), ("a/b", b"3")]:
        assert store.keep(message(topic, payload))
    assert sorted(kept(store, "a/+")) == [b"2", b"3"]
    assert kept(store, "a/b") == [b"3"]
    assert store.keep(message("a/b", b""))
    assert store.keep(message("never", b""))
    assert kept(store, "a/b") == []
    assert len(store) == 1


def test_beyond_its_bounds_nothing_new_is_kept_and_that_is_counted() -> None:
    store = RetainedStore(2, 1_000)
    assert store.keep(message("a", b"1"))
    assert not store.keep(message("b", b"x" * 1_000))
    assert store.keep(message("b", b"2"))
    assert not store.keep(message("c", b"3"))
    assert store.refused == 2
    assert kept(store, "#") == [b"1", b"2"]


def test_what_is_replaced_by_something_that_does_not_fit_is_no_longer_shown() -> None:
    store = RetainedStore(2, 1_000)
    store.keep(message("a", b"1"))
    assert not store.keep(message("a", b"x" * 1_000))
    assert kept(store, "a") == []


def test_an_expired_message_is_forgotten() -> None:
    store = RetainedStore(2, 1_000)
    store.keep(message("a", b"1", expires=5.0))
    assert kept(store, "a", now=4.9) == [b"1"]
    assert kept(store, "#", now=5.0) == []
    assert len(store) == 0
    assert store._bytes == 0
