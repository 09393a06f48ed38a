"""What schemas 0005 and 0006 hold, as the canonical workload writes it and as it must be after a power cut.

MQTT: a client sends at QoS 2, each message's packet identifier is the last row it brought; another one, which is away,
is owed a letter for each. Devices: one is found at each intake, some are renamed. Commands: the hub issues them, the
gateway takes, sends and ends them; the end's event tells the hub.
"""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from holdfast.commands.telling import FROM_ABOVE, ended
from holdfast.commands.writes import end_and_tell
from holdfast.journal import commanded, devices
from holdfast.journal import mqtt_sessions as mqtt
from holdfast.journal.blobs import decode_events
from holdfast.journal.commanded import Stored
from holdfast.journal.devices import CountsRow, DeviceRow, NameRow
from holdfast.journal.reader import JournalReader
from holdfast.journal.records import GroupKind
from holdfast.journal.store import Store
from holdfast.journal.transaction import Transaction
from holdfast.model.command import Answer, Command, State
from holdfast.model.lane import Lane

NOW = 1_700_000_000_000_000_000
SENDER, AWAY = 1, 2
LAG = 40
"""Rows after which the sender has released a packet identifier."""
Write = Callable[[Transaction], Any]


class Edge:
    """The gateway's side at work. `told` as in `Workload`; apart: packet identifiers in a commit of their own."""

    def __init__(self, told: Callable[[Any], None], *, apart: bool = False) -> None:
        self.told, self.apart = told, apart
        self.letters = self.found = self.issued = self.ended = self.dropped = 0

    def began(self, last: int) -> Write:
        """The sessions begin; `last`: the latest row that is there."""
        steps = [
            mqtt.put_session(SENDER, "press", None, 3600.0, 0),
            mqtt.put_session(AWAY, "logger", None, 3600.0, NOW),
            mqtt.subscribe(AWAY, "alerts/#", 1, 0),
            *([mqtt.receive(SENDER, last)] if last else []),
        ]
        return mqtt.applying(steps)

    def beside(self, last: int) -> Write:
        """What an intake's commit holds beside its rows, of which `last` is the latest."""
        number, device = self.letters + 1, self.found + 1
        steps = [mqtt.put_letter(AWAY, number, 0, b"%d" % number * 20, released=False)]
        if not self.apart:
            steps.append(mqtt.receive(SENDER, last))
        row, counts = DeviceRow(device, f"d-{device}", "new", made_ns=NOW), CountsRow(device, NOW, NOW, 1, 1)

        def write(tx: Transaction) -> None:
            mqtt.applying(steps)(tx)
            devices.write_devices(tx, [row])
            devices.write_counts(tx, [counts], NOW)

        return write

    def stored(self, last: int) -> None:
        """That commit returned: PUBREC goes out."""
        self.letters, self.found = self.letters + 1, self.found + 1
        self.told(("pid", last))
        self.told(("letters", self.letters))
        self.told(("devices", self.found))

    def settle(self, last: int) -> Write:
        """The sender releases old identifiers; the logger takes all letters but the latest two."""
        self.told(("releasing", last - LAG))
        before, self.dropped = self.dropped, max(self.dropped, self.letters - 2)
        self.told(("dropping", self.dropped))
        steps = [mqtt.release(SENDER, pid) for pid in range(max(1, last - 3 * LAG), last - LAG + 1)]
        steps += [mqtt.drop_letter(number) for number in range(before + 1, self.dropped + 1)]
        if self.letters > self.dropped:
            steps.append(mqtt.move_letter(self.letters, self.letters, released=True))
        return mqtt.applying(steps)

    def rename(self) -> Write:
        """The latest device gets another name: its row and its old names in one commit."""
        number = self.found
        names = [NameRow(f"d-{number}", role, number, NOW) for role in ("hardware", "former")]

        def write(tx: Transaction) -> None:
            devices.write_devices(tx, [DeviceRow(number, f"north-{number}", "accepted", made_ns=NOW)])
            devices.write_names(tx, number, names)

        return write

    def issue(self, via: str) -> Write:
        """A command: at the hub on its way down (via the gateway), or at the gateway."""
        command = _command(self.issued + 1, "local" if via else FROM_ABOVE + "local")
        return lambda tx: commanded.insert(tx, Stored(command, via))

    def taken(self) -> None:
        """The gateway has it on disk."""
        self.issued += 1
        self.told(("issued", self.issued))

    def send(self) -> Write:
        """The oldest open command goes out."""
        number = f"c-{self.ended + 1}"
        return lambda tx: commanded.mark(tx, number, State.SENT, NOW)

    def end(self) -> Write:
        """Its device has answered."""
        command, answer = _command(self.ended + 1, FROM_ABOVE + "local"), Answer(State.DONE, result=b"1")
        event = replace(ended("gw", command, answer, NOW), lane=Lane.NORMAL)
        return lambda tx: end_and_tell(tx, command.id, answer, event)

    def over(self) -> None:
        """The answer is acknowledged: the device forgets it."""
        self.ended += 1
        self.told(("ended", self.ended))


def _command(number: int, origin: str) -> Command:
    return Command(f"c-{number}", "gw", "press", "stop", b"{}", origin, NOW, NOW + 10**12)


def check_gateway(store: Store, reader: JournalReader, acked: Mapping[str, int]) -> None:
    """Sessions, devices and commands of the gateway."""
    sessions = {one.number: one for one in mqtt.read_sessions(reader)}
    if AWAY not in sessions:  # a stored file of an older schema has a session of its own
        assert "session" not in acked, "the sessions are gone"
        return
    _check_sessions(sessions, store.state.heads[Lane.BULK], acked)
    _check_devices(devices.stored(reader), acked)
    with reader.borrowed() as db:
        known = commanded.past(db, "", (), 1 << 40, 10_000)
        again = {one.command.id for one in commanded.open_ones(db)}
    over = [one for one in known if one.ended_ns]
    assert len(known) >= acked.get("issued", 0), "a command that was taken is gone"
    assert len(over) >= acked.get("ended", 0), "a command that had ended would run again"
    assert not again & {one.command.id for one in over}
    assert all(one.state is State.DONE for one in over)
    events = events_not_alerts(reader, store) - acked.get("base", 0)
    assert events == len(over), f"{len(over)} commands have ended, and {events} events say so"


def events_not_alerts(reader: JournalReader, store: Store) -> int:
    """Events taken that aren't in lane 0, where alerts and messages are and nothing else."""
    with reader.borrowed() as db:
        messages = next(iter(db.execute("SELECT coalesce(sum(n), 0) FROM queue_streams")))[0]
    return int(reader.counters().get("events_accepted", 0) - (store.state.heads[Lane.CRITICAL] - messages))


def check_hub(reader: JournalReader) -> None:
    """A command at the hub has ended exactly when the event that says so is applied."""
    with reader.borrowed() as db:
        over = sum(one.ended_ns > 0 for one in commanded.past(db, "", (), 1 << 40, 10_000))
    groups = (one for one in reader.read(Lane.NORMAL, 0, 1 << 30) if one.kind is GroupKind.EVENTS)
    heard = sum(event.kind == commanded.KIND for group in groups for event in decode_events(group.blob))
    assert over == heard, f"the hub heard of {heard} ends, and {over} commands have ended there"


def _check_sessions(sessions: Mapping[int, mqtt.StoredSession], head: int, acked: Mapping[str, int]) -> None:
    received, owed = set(sessions[SENDER].received), sessions[AWAY].letters
    newest = max(received, default=0)
    assert newest == head, f"rows up to {head} are stored, and the QoS 2 id of {newest} is the last that is known"
    assert newest >= acked.get("pid", 0), "a QoS 2 id that was acked is gone: its message would be stored twice"
    assert [one.topic_filter for one in sessions[AWAY].subscriptions] == ["alerts/#"]
    numbers = [one.number for one in owed]
    assert all(one.body == b"%d" % one.number * 20 for one in owed), "a letter isn't what was written"
    first, last = acked.get("dropping", 0) + 1, acked.get("letters", 0)
    assert set(numbers) >= set(range(first, last + 1)), "a letter that was acked is gone"
    assert numbers == list(range(numbers[0], numbers[-1] + 1) if numbers else []), "letters are missing in between"


def _check_devices(found: devices.Stored, acked: Mapping[str, int]) -> None:
    assert len(found.devices) >= acked.get("devices", 0), "a device that was found is gone"
    assert {one.device for one in found.counts} == {one.number for one in found.devices}
    former = {one.device: one.name for one in found.names if one.role == "former"}
    for one in found.devices:
        is_renamed = one.name == f"north-{one.number}"
        assert is_renamed == (one.number in former), "a device has half of a new name"
        assert is_renamed or one.name == f"d-{one.number}"
