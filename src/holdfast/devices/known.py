"""What is known of a node's devices, as recalled from the journal and carried on from there."""

from holdfast.devices.beats import Beats
from holdfast.devices.learned import unpack
from holdfast.devices.roster import Roster
from holdfast.devices.settings import DevicesSettings
from holdfast.devices.tally import Tally
from holdfast.journal.devices import DOWN_KEPT, Stored


class Known:
    """Who the devices are, what was counted of them, and how often they send."""

    def __init__(self, settings: DevicesSettings, stored: Stored, wall_ns: int, boot_ns: int) -> None:
        """wall_ns, boot_ns: now; from when the node was last alive until now it was down."""
        self.roster = Roster(stored, settings.limit, listed=settings.accept == "listed")
        self.tally, self.beats = Tally(), Beats(settings.late_after, settings.patience)
        self.down, self.with_gaps = stored.down, set(stored.with_gaps)
        for counts in stored.counts:
            self.tally.recall(counts, wall_ns, boot_ns)
        self.make_room()
        for device, data in stored.learned.items():
            hour, hours, beats = unpack(data)
            self.tally.recall_hours(device, hour, hours, wall_ns)
            self.beats.recall(device, beats)
        for counts in stored.counts:
            if counts.beat_ns:
                self.beats.set_last(counts.device, counts.beat_ns)
        alive_ns = max([stored.alive_ns, *(counts.last_ns for counts in stored.counts)], default=0)
        if 0 < alive_ns < wall_ns:
            self.down = [*self.down, (alive_ns, wall_ns)][-DOWN_KEPT:]

    def make_room(self) -> None:
        """Devices may have been found."""
        self.tally.make_room(self.roster.numbers)
        self.beats.make_room(self.roster.numbers)
