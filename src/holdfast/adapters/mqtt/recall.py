"""A session's way back from the journal."""

import msgspec

from holdfast.adapters.mqtt.ledger import Ledger
from holdfast.adapters.mqtt.letters import Letter, unpacked
from holdfast.adapters.mqtt.session import Session
from holdfast.adapters.mqtt.wills import unpacked as will_of
from holdfast.journal.mqtt_sessions import StoredSession, StoredWill, drop_letter, drop_will


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


def recall_will(session: Session, stored: StoredWill | None, ledger: Ledger, now: float, away_s: float) -> int:
    """Give a session the will that is stored of it, if any; what is left of its delay runs on. 1: it can't be read."""
    if stored is None:
        return 0
    ledger.begin_after(stored.session, 0)
    try:
        client, will = will_of(stored.body or b"")
    except msgspec.MsgspecError:
        ledger.add(drop_will(stored.session))
        return 1
    delay_s = min(float(will.delay_s), session.expiry_s)
    session.client, session.will, session.will_row = client, will, stored.session
    session.will_at = now + min(max(0.0, delay_s - away_s), delay_s)
    return 0
