"""What stands against a backtest.

BacktestError
├── RuleUnknown       caller: there is no rule of that name
├── BacktestBusy      caller: another one runs; ask again later
└── BacktestUnknown   caller: there is no such run, or it's forgotten
"""

from collections.abc import Sequence

from holdfast.kernel.errors import HoldfastError


class BacktestError(HoldfastError):
    """Something about a backtest."""


class RuleUnknown(BacktestError):
    """There is no rule of that name."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f"there is no rule `{name}`")
        self.hint = f"there are {several(known)}" if known else "there is none"


class BacktestBusy(BacktestError):
    """One runs already."""

    hint = "one runs at a time: wait for it, or cancel it"


class BacktestUnknown(BacktestError):
    """No such run."""

    hint = "the last few are kept until the node restarts"


def several(names: Sequence[str]) -> str:
    """Names for a sentence, the first few of many."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
