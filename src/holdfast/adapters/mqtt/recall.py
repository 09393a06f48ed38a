"""A session's way back from the journal."""

import msgspec

from holdfast.adapters.mqtt.ledger import Ledger
from holdfast.adapters.mqtt.letters import Letter, unpacked
from holdfast.adapters.mqtt.session import Session
from holdfast.journal.mqtt_sessions import StoredSession, drop_letter


def recall(session: Session, stored: StoredSession, ledger: Ledger) -> int:
    """Give a session what is stored of it; how many letters can't be read and are gone."""
    session.number = stored.number
    session.expiry_s = stored.expiry_s
    session.received.restore(stored.received)
    letters: list[Letter] = []
    for one in stored.letters:
        try:
            letter = unpacked(one.body or b"", ledger.ahead_ns)
        except msgspec.MsgspecError:
            ledger.add(drop_letter(one.number))
            continue
        letter.number, letter.pid, letter.released, letter.stored = one.number, one.pid, one.released, True
        letters.append(letter)
    ledger.begin_after(stored.number, max((one.number for one in stored.letters), default=0))
    session.restore(letters)
    return len(stored.letters) - len(letters)
