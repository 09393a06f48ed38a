"""Token buckets: how fast clients may come and send. Pure; time is an argument, seconds."""

from collections import OrderedDict


class Bucket:
    """Fills at `rate` a second up to `depth`. May go into debt, so that what has already come is never thrown away."""

    __slots__ = ("_at", "_credit", "_depth", "_rate")

    def __init__(self, rate: float, depth: float, now: float) -> None:
        self._rate = rate
        self._depth = depth
        self._credit = depth
        self._at = now

    def take(self, now: float) -> bool:
        """Take one token if there is one."""
        if self.wait(now) or self._credit < 1:
            return False
        self._credit -= 1
        return True

    def spend(self, amount: float, now: float) -> float:
        """Spend, into debt if need be; seconds until the debt is paid."""
        self.wait(now)
        self._credit -= amount
        return self.wait(now)

    def wait(self, now: float) -> float:
        """Seconds until the debt is paid, 0 without one."""
        self._credit = min(self._depth, self._credit + (now - self._at) * self._rate)
        self._at = now
        return -self._credit / self._rate if self._credit < 0 else 0.0

    def is_full(self, now: float) -> bool:
        """Nothing was taken that hasn't come back: the bucket may be forgotten."""
        self.wait(now)
        return self._credit >= self._depth


class Buckets:
    """A bucket a name (an address, a client). Bounded: beyond `limit` names the one unused for longest is forgotten."""

    def __init__(self, rate: float, limit: int = 10_000) -> None:
        self._rate = rate
        self._limit = limit
        self._by_name: OrderedDict[str, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_name)

    def of(self, name: str, now: float) -> Bucket:
        """The bucket of a name; a second's worth deep, and at least one."""
        bucket = self._by_name.get(name)
        if bucket is None:
            if len(self._by_name) >= self._limit:
                self._by_name.popitem(last=False)
            bucket = self._by_name[name] = Bucket(self._rate, max(1.0, self._rate), now)
        else:
            self._by_name.move_to_end(name)
        return bucket

    def prune(self, now: float) -> None:
        """Forget the full ones."""
        for name in [name for name, bucket in self._by_name.items() if bucket.is_full(now)]:
            del self._by_name[name]


class Guesses:
    """Failed logins by address: three are forgiven, then each doubles the time for which the address is refused.

    Bounded like `Buckets`. An address without a failure for `forget_s` starts afresh; a successful login doesn't clear
    it, or a guesser with one account could go on for ever.
    """

    FORGIVEN = 3

    def __init__(self, delay_s: float, longest_s: float, limit: int = 10_000, forget_s: float = 900.0) -> None:
        self._delay_s = delay_s
        self._longest_s = longest_s
        self._limit = limit
        self._forget_s = forget_s
        self._by_address: OrderedDict[str, tuple[int, float]] = OrderedDict()  # failures, time of the last

    def wait(self, address: str, now: float) -> float:
        """Seconds for which an address is still refused."""
        failures, at = self._by_address.get(address, (0, 0.0))
        if failures <= self.FORGIVEN:
            return 0.0
        delay = min(self._longest_s, self._delay_s * 2.0 ** min(60, failures - self.FORGIVEN - 1))
        return max(0.0, at + delay - now)

    def failed(self, address: str, now: float) -> None:
        """A login failed."""
        failures, at = self._by_address.pop(address, (0, now))
        if now - at > self._forget_s:
            failures = 0
        elif len(self._by_address) >= self._limit:
            self._by_address.popitem(last=False)
        self._by_address[address] = (failures + 1, now)
