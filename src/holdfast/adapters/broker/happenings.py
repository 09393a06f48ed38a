"""What the client of foreign brokers says beside what every adapter does (`adapters.supervised`); on change only."""

from holdfast.telemetry.happenings import Happening, Level


class BrokerConnected(Happening, frozen=True):
    """A broker took us in and granted every subscription. resumed: it still had our session."""

    metric = "broker_connects"
    broker: str
    url: str
    resumed: bool


class BrokerReadingPaused(Happening, frozen=True):
    """The inbox is full: brokers are read no further until it has room."""

    level = Level.DEBUG
    metric = "broker_reading_pauses"
    broker: str
