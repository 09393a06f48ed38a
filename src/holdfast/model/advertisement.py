"""Bluetooth LE advertisements as bytes: length, type, data, structure after structure (Core 5.4, Vol 3 Part C §11)."""

MANUFACTURER_DATA = 0xFF
SERVICE_DATA_16 = 0x16
"""AD types, Bluetooth Assigned Numbers §2.3: data of a company, data of a service with a 16-bit UUID."""


def structures(advertisement: bytes) -> tuple[list[tuple[int, bytes]], bool]:
    """(AD type, data) of each structure, and whether the last one is whole. A length of 0 ends them early (§11)."""
    found: list[tuple[int, bytes]] = []
    at = 0
    while at < len(advertisement) and advertisement[at]:
        end = at + 1 + advertisement[at]
        if end > len(advertisement):
            return found, False
        found.append((advertisement[at + 1], advertisement[at + 2 : end]))
        at = end
    return found, True


def data_of(advertisement: bytes, type_: int, number: int) -> bytes | None:
    """What one company or service says, behind its number; None when it says nothing."""
    head = number.to_bytes(2, "little")
    for kind, data in structures(advertisement)[0]:
        if kind == type_ and data[:2] == head:
            return data[2:]
    return None
