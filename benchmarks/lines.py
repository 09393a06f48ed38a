"""Serial lines and advertisements: what one core frames, verifies and decodes, in CPU time.

python -m benchmarks.lines [--count 20000] [--rounds 7]

Each figure is the median of the rounds; the ratio is to plain lines, or to plain BTHome, in the same run.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from holdfast.adapters.ble.hexlines import HexLines
from holdfast.adapters.serial.checksums import crc16_of, xor_of
from holdfast.adapters.serial.intake import Frames
from holdfast.adapters.serial.settings import ChecksumSettings, FramingSettings, SerialSettings
from holdfast.codecs.decoder import Decoder, Run
from holdfast.codecs.loading import load_profiles
from holdfast.model.series import Catalogue

NOW = 1_795_187_068_000_000_000
MAC, KEY = "54:48:E6:8F:80:A5", bytes(range(16))
PIECE = 512
"""Bytes that a port gives at a time."""


def framed(settings: SerialSettings, data: bytes, count: int) -> Callable[[], None]:
    """A round of bytes to payloads."""

    def go() -> None:
        frames, found = Frames(settings), 0
        for at in range(0, len(data), PIECE):
            found += len(frames.feed(data[at : at + PIECE], at * 1e-5))
        assert found == count, (found, count, frames.refused)

    return go


def lines(count: int) -> dict[str, Callable[[], None]]:
    """Rounds of serial lines."""
    plain = [b"s-1,%d.5,g" % (i % 10_000) for i in range(count)]
    nmea = [b"$GP%05d,A" % (i % 100_000) for i in range(count)]
    binary = [b"\xaa\x55%08d" % i for i in range(count)]
    stx = SerialSettings(port="/dev/x", framing=FramingSettings(start="\\x02", end="\\x03"))
    fixed = FramingSettings(start="\\xaa\\x55", length=12)
    modbus = ChecksumSettings(rule="crc16-modbus")
    return {
        "lines": framed(SerialSettings(port="/dev/x"), b"".join(one + b"\r\n" for one in plain), count),
        "STX ETX": framed(stx, b"".join(b"\x02" + one + b"\x03" for one in plain), count),
        "NMEA lines": framed(
            SerialSettings(port="/dev/x", checksum="nmea"),
            b"".join(b"%b*%02X\r\n" % (one, xor_of(one[1:])) for one in nmea),
            count,
        ),
        "12 bytes, CRC-16": framed(
            SerialSettings(port="/dev/x", framing=fixed, checksum=modbus, encoding="binary"),
            b"".join(one + crc16_of(one).to_bytes(2, "little") for one in binary),
            count,
        ),
    }


def decoded(folder: Path, messages: list[bytes]) -> Callable[[], None]:
    """A round of BTHome messages to readings."""
    (folder / "keys").write_text(f"{MAC} {KEY.hex()}")
    keys = ", bthome: {keys: keys}" if b"d2fc41" in messages[0] else ""
    (folder / "own.yaml").write_text(f"profiles: {{own: {{extends: bthome{keys}}}}}")
    profiles = load_profiles([folder / "own.yaml"])

    def go() -> None:
        decoder = Decoder(profiles, Catalogue(), "gw")
        for at in range(0, len(messages), 500):
            found = decoder.decode([Run(f"bthome/hall/{MAC}", messages[at : at + 500], NOW)])
            assert not found.rejected, found.rejected[:1]
            assert len(found.batch) == 3 * len(messages[at : at + 500])

    return go


def advertisements(count: int, folder: Path) -> dict[str, Callable[[], None]]:
    """Rounds of advertisements: temperature, humidity and the signal's strength each."""
    plain, sealed, recorded = [], [], []
    cipher, mac = AESCCM(KEY, tag_length=4), bytes.fromhex(MAC.replace(":", ""))
    for i in range(count):
        counter = (1_000 + i).to_bytes(4, "little")
        box = cipher.encrypt(mac + b"\xd2\xfc\x41" + counter, bytes.fromhex("02ca0903bf13"), None)
        open_ = f"0201060c16d2fc4000{i % 256:02x}02c40903bf13"
        shut = (b"\x16\xd2\xfc\x41" + box[:-4] + counter + box[-4:]).hex()
        plain.append(json.dumps({"mac": MAC, "rssi": -60, "data": open_}).encode())
        sealed.append(json.dumps({"mac": MAC, "rssi": -60, "data": f"{len(shut) // 2:02x}{shut}"}).encode())
        recorded.append(f"1795187068.5 {MAC} -60 {open_}\n".encode())

    def read() -> None:
        assert sum(1 for _ in HexLines().feed(b"".join(recorded))) == count

    found = {"BTHome": decoded(folder, plain)}
    return {**found, "BTHome, encrypted": decoded(folder, sealed), "a recording's lines": read}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=7)
    said = parser.parse_args()
    with TemporaryDirectory() as folder:
        for group in (lines(said.count), advertisements(said.count, Path(folder))):
            took: dict[str, list[float]] = {name: [] for name in group}
            for _ in range(said.rounds):
                for name, go in group.items():
                    began = time.process_time()
                    go()
                    took[name].append(time.process_time() - began)
            first = statistics.median(next(iter(took.values())))
            for name, seconds in took.items():
                median = statistics.median(seconds)
                print(f"{name:<22}{said.count / median:>12,.0f} a second{first / median:>8.2f}")


if __name__ == "__main__":
    main()
