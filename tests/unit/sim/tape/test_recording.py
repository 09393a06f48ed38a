import io

import pytest

from holdfast.kernel.clock import ManualClock
from holdfast.sim.mqtt.session import Message
from holdfast.sim.tape.format import MAGIC, Record, TapeReader
from holdfast.sim.tape.recording import Recorder, TapeUnwritable


class Tape(io.BytesIO):
    name = "x.tape"
    is_full = False

    def write(self, data: bytes) -> int:  # type: ignore[override]  # bytes are all that's written
        if self.is_full and data:
            raise OSError(28, "No space left on device")
        return super().write(data)


def test_each_message_is_written_with_the_time_it_came_at() -> None:
    tape, clock = Tape(), ManualClock(wall_ns=5)
    recorder = Recorder(tape, clock)
    recorder.heard(Message("a", b"1", 1, True))
    clock.advance(1.5)
    recorder.heard(Message("b", b"2", 0, False))
    assert tape.getvalue() == MAGIC
    recorder.flush()
    recorder.flush()
    assert recorder.bytes == len(tape.getvalue())
    tape.seek(0)
    assert list(TapeReader(tape)) == [Record(5, "a", b"1", 1, True), Record(1_500_000_005, "b", b"2", 0, False)]


def test_a_full_disk_is_told_and_the_tape_is_good_up_to_there() -> None:
    tape = Tape()
    recorder = Recorder(tape, ManualClock(wall_ns=5))
    recorder.heard(Message("a", b"1", 1, False))
    recorder.flush()
    tape.is_full = True
    recorder.heard(Message("a", b"2", 1, False))
    with pytest.raises(TapeUnwritable, match="No space left"):
        recorder.flush()
    tape.seek(0)
    assert [record.payload for record in TapeReader(tape)] == [b"1"]
