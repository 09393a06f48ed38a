"""Three vendors' ways to say the same five readings. The codecs' built-in `rooms` profiles read them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from holdfast.sim.fleet.recording import Row

READINGS = 5
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Encode = Callable[[int, int, Row], str]


def flat(number: int, ts_ms: int, row: Row) -> str:
    """One flat object; time in seconds."""
    return (
        f'{{"id":{number},"ts":{ts_ms // 1000}.{ts_ms % 1000:03d},"temp_c":{row.temperature},"hum":{row.humidity},'
        f'"lux":{row.light},"co2":{row.co2},"occ":{"true" if row.occupied else "false"}}}'
    )


def nested(number: int, ts_ms: int, row: Row) -> str:
    """Nested objects with units in the payload; temperature in °F, time in ISO 8601."""
    when = (_EPOCH + timedelta(milliseconds=ts_ms)).strftime("%Y-%m-%dT%H:%M:%S")
    return (
        f'{{"meta":{{"seq":{number},"time":"{when}.{ts_ms % 1000:03d}Z"}},'
        f'"air":{{"temperature":{{"value":{fahrenheit(row.temperature)},"unit":"F"}},'
        f'"humidity":{{"value":{row.humidity},"unit":"%"}},"co2":{{"value":{row.co2},"unit":"ppm"}}}},'
        f'"light":{{"value":{row.light},"unit":"lx"}},"presence":{int(row.occupied)}}}'
    )


def records(number: int, ts_ms: int, row: Row) -> str:
    """An array of named records, much as SenML; time in milliseconds."""
    del number  # this vendor numbers nothing: a message is known by its time
    return (
        f'{{"bt":{ts_ms},"e":[{{"n":"temp","v":{row.temperature},"u":"Cel"}},{{"n":"rh","v":{row.humidity},"u":"%RH"}},'
        f'{{"n":"lux","v":{row.light},"u":"lx"}},{{"n":"co2","v":{row.co2},"u":"ppm"}},'
        f'{{"n":"occ","vb":{"true" if row.occupied else "false"}}}]}}'
    )


def fahrenheit(celsius: float) -> float:
    """To hundredths of a degree, as the device reports it."""
    return round(celsius * 1.8 + 32, 2)


SHAPES: tuple[tuple[str, Encode], ...] = (
    ("acme/{device}/telemetry", flat),
    ("site/bravo/{device}/up", nested),
    ("senml/{device}", records),
)
"""(topic, encoder) by device number modulo 3."""


def malformed(good: str, variety: int) -> bytes:
    """A payload gone wrong, in one of four ways."""
    if variety == 0:
        return good[: len(good) // 2].encode()
    if variety == 1:
        return good.replace(":4", ':"n/a"', 1).replace(":2", ':"n/a"', 1).encode() + b"}"
    if variety == 2:
        return b'{"hello":"world"}'
    return b"\xff\xfe" + good.encode()
