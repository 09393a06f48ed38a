"""RFC 7252 §4.5."""

from holdfast.adapters.coap.memory import LIFETIME_S, Memory


def test_a_message_that_comes_again_is_known_with_its_answer() -> None:
    memory: Memory[str] = Memory(10)
    assert not memory.is_repeat(("a", 1), 0.0)
    assert memory.is_repeat(("a", 1), 1.0)
    assert memory.answer(("a", 1)) is None
    memory.answered(("a", 1), "2.04")
    assert memory.is_repeat(("a", 1), 2.0)
    assert (memory.answer(("a", 1)), memory.repeats) == ("2.04", 2)


def test_the_same_number_of_another_peer_is_another_message() -> None:
    memory: Memory[str] = Memory(10)
    assert [memory.is_repeat((peer, 1), 0.0) for peer in "aba"] == [False, False, True]


def test_after_its_lifetime_a_number_may_be_used_again() -> None:
    memory: Memory[str] = Memory(10)
    memory.is_repeat(("a", 1), 0.0)
    assert memory.is_repeat(("a", 1), LIFETIME_S - 1)
    assert not memory.is_repeat(("a", 1), LIFETIME_S)


def test_when_there_are_too_many_the_oldest_is_forgotten_and_counted() -> None:
    memory: Memory[str] = Memory(2)
    for number in (1, 2, 3):
        memory.is_repeat(("a", number), 0.0)
    assert (len(memory), memory.forgotten) == (2, 1)
    memory.answered(("a", 1), "late")
    assert memory.answer(("a", 1)) is None
    assert not memory.is_repeat(("a", 1), 0.0)
    assert memory.is_repeat(("a", 3), 0.0)
