"""One Arrow IPC stream: a header as schema metadata, one record batch with one zstd-compressed column of bytes.

Why one column: an Arrow column costs about 100 bytes of framing and a zstd frame of its own; measured on sensor data,
twelve columns cost more than they save below 50,000 rows (docs/reference/sync-protocol.md).

Opening is a hostile-input door. Arrow allocates what each compressed buffer *says* it holds, so the sizes are read from
the record batch's own FlatBuffer (Arrow's Message.fbs) before Arrow may decompress anything.
"""

import struct
from enum import IntEnum
from typing import Any

import pyarrow as pa

from holdfast.wire.errors import WireError

_HEADER = b"holdfast"
_COLUMN = "b"
# Arrow's default pools keep what they once had; malloc gives it back.
pa.set_memory_pool(pa.system_memory_pool())
_RECORD_BATCH, _HEADER_FIELD, _BUFFERS_FIELD = 3, 2, 2


class Effort(IntEnum):
    """zstd levels. The columns are packed already, so there's little left to find.

    Measured on the occupancy and NAB rows, 20,000 a batch: USUAL saves 1 to 4 % of QUICK's bytes for 2 to 3 times its
    CPU, THOROUGH 3 to 6 % of USUAL's for 20 to 30 times (19 to 30 ns a reading, 370 to 1,000).
    """

    QUICK = 3
    USUAL = 6
    THOROUGH = 19


_OPTIONS = {
    effort: pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", int(effort)), use_threads=False) for effort in Effort
}


def seal(header: bytes, content: bytes, effort: Effort = Effort.USUAL) -> bytes:
    """The stream that holds `header` and `content`."""
    schema = pa.schema([pa.field(_COLUMN, pa.uint8(), nullable=False)], metadata={_HEADER: header})
    column = pa.Array.from_buffers(pa.uint8(), len(content), [None, pa.py_buffer(content)])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema, options=_OPTIONS[effort]) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays([column], schema=schema))
    return bytes(sink.getvalue())


def unseal(body: bytes, max_header: int, max_content: int) -> tuple[bytes, memoryview]:
    """Header and content of a stream; nothing is decompressed before its size is known and allowed.

    Raises:
        WireError: when it is not such a stream, or larger than allowed.
    """
    try:
        reader = pa.ipc.MessageReader.open_stream(pa.py_buffer(body))
        schema_message, rows_message = reader.read_next_message(), reader.read_next_message()
        if len(schema_message.metadata) > max_header + 4096:
            raise WireError(f"the header is longer than {max_header} bytes")
        if schema_message.type != "schema" or rows_message.type != "record batch":
            raise WireError("the stream is not a schema followed by a record batch")
        header = _header(pa.ipc.read_schema(schema_message), max_header)
        _check_sizes(rows_message, max_content)
        batch = pa.ipc.read_record_batch(rows_message, _plain_schema())
        batch.validate(full=True)
    except StopIteration:
        raise WireError("the stream ends early") from None
    except (pa.ArrowException, OSError, struct.error, ValueError, MemoryError) as error:
        raise WireError(f"the body is not an Arrow stream of ours: {_first_line(error)}") from error
    return header, _content(batch, max_content)


def _plain_schema() -> Any:
    return pa.schema([pa.field(_COLUMN, pa.uint8(), nullable=False)])


def _header(schema: Any, max_header: int) -> bytes:
    if not schema.equals(_plain_schema(), check_metadata=False):
        raise WireError("the stream does not have exactly one column of bytes")
    header = (schema.metadata or {}).get(_HEADER)
    if header is None:
        raise WireError("the stream carries no header")
    if len(header) > max_header:
        raise WireError(f"the header is longer than {max_header} bytes")
    return bytes(header)


def _content(batch: Any, max_content: int) -> memoryview:
    _, data = batch.column(0).buffers()
    if data is None or not 0 < batch.num_rows <= min(max_content, data.size) or batch.column(0).null_count:
        raise WireError("the stream's column is empty or has holes")
    return memoryview(data).cast("B")[: batch.num_rows]  # Arrow calls its bytes signed


def _check_sizes(message: Any, max_content: int) -> None:
    """Add up what each compressed buffer says it unpacks to (Message.fbs, `BodyCompression`: i64 before the frame)."""
    metadata, body = memoryview(message.metadata), message.body
    length = 0 if body is None else len(body)
    total = 0
    for offset, size in _buffers(metadata):
        if offset < 0 or size < 0 or offset + size > length:
            raise WireError("a buffer lies outside the body")
        if size >= 8:
            (unpacked,) = struct.unpack_from("<q", body, offset)
            total += size if unpacked == -1 else unpacked
            if unpacked < -1 or total > max_content:
                raise WireError(f"the body unpacks to more than {max_content} bytes")


def _buffers(metadata: memoryview) -> list[tuple[int, int]]:
    (root,) = struct.unpack_from("<I", metadata, 0)
    header = _field(metadata, root, _HEADER_FIELD)
    vector = _field(metadata, header, _BUFFERS_FIELD)
    (count,) = struct.unpack_from("<I", metadata, vector)
    if count != 2:
        raise WireError("the record batch does not have exactly one column")
    return [struct.unpack_from("<qq", metadata, vector + 4 + 16 * i) for i in range(count)]


def _field(metadata: memoryview, table: int, number: int) -> int:
    """Position of what a table's offset field points to (FlatBuffers: vtable of u16 offsets, then a u32 hop)."""
    (back,) = struct.unpack_from("<i", metadata, table)
    (size,) = struct.unpack_from("<H", metadata, table - back)
    slot = 4 + 2 * number
    (inside,) = struct.unpack_from("<H", metadata, table - back + slot) if slot < size else (0,)
    if inside == 0:
        raise WireError("the record batch lacks a field")
    place = table + inside
    (hop,) = struct.unpack_from("<I", metadata, place)
    return int(place + hop)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
