"""InfluxDB's write endpoints: where their lines go, and how many become one message. Pure.

Sources: InfluxDB v2 API, "Write data" (`POST /api/v2/write?org=&bucket=&precision=`); v1 API, "/write HTTP endpoint"
(`POST /write?db=&rp=&precision=`). Lines of a precision go to `influx/PRECISION/BUCKET`, which the built-in profiles
`builtin:influx` read.
"""

from holdfast.adapters.http.envelope import Message, topic_fault
from holdfast.adapters.http.errors import BodyInvalid, BodyTooLarge, TopicUnusable

PRECISIONS = {"": "ns", "ns": "ns", "n": "ns", "us": "us", "u": "us", "ms": "ms", "s": "s"}
_COMMON = "ns, us, ms or s"
MOST_BYTES = 128 << 10
"""Of one message: a wrong line refuses only the message that it's in."""
MOST_LINES = 100
"""In one message."""
_MOST_MESSAGES = 10_000


def topic_of(bucket: str, precision: str) -> str:
    """Where lines for a bucket (v2) or a database (v1) go.

    Raises:
        BodyInvalid: the precision is none.
        TopicUnusable: without a bucket, or of a name that can't stand in a topic.
    """
    unit = PRECISIONS.get(precision)
    if unit is None:
        raise BodyInvalid(f"the precision {precision[:20]!r} isn't known", f"write {_COMMON}")
    topic = f"influx/{unit}/{bucket}"
    if not bucket or (fault := topic_fault(topic)):
        said = fault if bucket else "it's not said for which bucket or database"
        raise TopicUnusable(said, "as `?bucket=plant` (v2) or `?db=plant` (v1)")
    return topic


def messages_of(topic: str, body: bytes) -> list[Message]:
    """Lines by the hundred, cut only where a line ends.

    Raises:
        BodyInvalid: the body is empty, or no UTF-8.
        BodyTooLarge: a single line is larger than a message may be, or there are too many.
    """
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise BodyInvalid(f"the body is no UTF-8: {error.reason} at byte {error.start}", "") from error
    if not body.strip():
        raise BodyInvalid("the body is empty", "send lines, as `weather,host=roof temp=21.5 1795187068`")
    found, piece, lines, size = list[Message](), list[bytes](), 0, 0
    for line in _whole_lines(body):
        if piece and (lines >= MOST_LINES or size + len(line) + 1 > MOST_BYTES):
            found.append(Message(topic, b"\n".join(piece)))
            piece, lines, size = [], 0, 0
        if len(line) > MOST_BYTES:
            raise BodyTooLarge(f"a line has {len(line)} bytes, over {MOST_BYTES}", "send smaller ones")
        piece.append(line)
        lines, size = lines + 1, size + len(line) + 1
    found.append(Message(topic, b"\n".join(piece)))
    if len(found) > _MOST_MESSAGES:
        raise BodyTooLarge("the body has too many lines", "send fewer at once")
    return [one for one in found if one.payload.strip()]


def _whole_lines(body: bytes) -> list[bytes]:
    """Lines as they end outside of quoted texts, which may hold line feeds."""
    lines = body.split(b"\n")
    if b'"' not in body:
        return lines
    found, held = list[bytes](), list[bytes]()
    is_open = False
    for line in lines:
        held.append(line)
        is_open ^= bool(_quotes(line) % 2)
        if not is_open:
            found.append(b"\n".join(held) if len(held) > 1 else line)
            held.clear()
    if held:  # a quote without an end: the profile says so of these lines, and not of those before
        found += held
    return found


def _quotes(line: bytes) -> int:
    """Quotation marks that no backslash stands before."""
    if b"\\" not in line:
        return line.count(b'"')
    return line.replace(b"\\\\", b"").replace(b'\\"', b"").count(b'"')
