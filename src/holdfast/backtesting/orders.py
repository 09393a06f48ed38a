"""What a node tells the process that works a backtest out, and what that one tells."""

import msgspec

from holdfast.backtesting.accounts import AlertTold, Report
from holdfast.backtesting.picturing import PanelTold
from holdfast.history.lake.settings import HistorySettings


class Order(msgspec.Struct, frozen=True):
    """What is wanted; on the standard input, as a key must not be seen in a process list.

    new, old: rules' documents; old: of those at work, to compare with, empty = nothing to compare
    series:   patterns that readings' names must fit, empty = any
    """

    node: str
    journal: str
    key: bytes | None
    data: str
    history: HistorySettings | None
    new: list[bytes]
    old: list[bytes]
    from_ns: int
    to_ns: int
    series: list[str] = []


class Told(msgspec.Struct, frozen=True):
    """One message back. share: of the time that is done; result: JSON of `Backtested`, with which it ends."""

    share: float = 0.0
    readings: int = 0
    result: bytes = b""
    error: str = ""
    hint: str = ""


class Backtested(msgspec.Struct, frozen=True):
    """What came of it. gone, new: alerts that only the old, only the new rules would have raised; same: both.

    compared: was there a rule at work to compare with? cut: more alerts than are listed; cpu_s: of all of it
    """

    report: Report
    panels: list[PanelTold]
    compared: bool
    old_alerts: int
    gone: list[AlertTold]
    new: list[AlertTold]
    same: int
    cut: bool
    cpu_s: float
