from holdfast.adapters.port import Arrival
from holdfast.intake.inbox import Inbox


class Paper:
    def settle(self) -> None: ...

    def refuse(self) -> None: ...


def arrival(n: int, size: int = 1) -> Arrival:
    return Arrival("client", "topic", [b"x" * size] * n, 0, Paper())


def test_everything_queued_is_one_micro_batch() -> None:
    woken: list[int] = []
    inbox = Inbox(100, 1000, lambda: woken.append(1))
    first, second = arrival(3), arrival(4)
    assert inbox.offer(first)
    assert inbox.offer(second)
    assert inbox.has_arrivals
    assert inbox.take() == [first, second]
    assert not inbox.has_arrivals
    assert len(woken) == 2


def test_room_is_counted_until_release_and_sources_are_called_back_at_half() -> None:
    inbox = Inbox(10, 1000, lambda: None)
    resumed: list[int] = []
    assert inbox.offer(arrival(6))
    assert not inbox.offer(arrival(4))
    inbox.when_drained(lambda: resumed.append(1))
    taken = inbox.take()
    assert inbox.is_full
    inbox.release(taken[1:])
    assert not resumed
    inbox.release(taken[:1])
    assert resumed == [1]
    assert (inbox.messages, inbox.bytes) == (0, 0)


def test_bytes_fill_it_too() -> None:
    assert not Inbox(1000, 50, lambda: None).offer(arrival(1, size=50))
