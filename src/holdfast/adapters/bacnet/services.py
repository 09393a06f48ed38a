"""Services (clauses 13 to 16) by bacpypes3: requests as bytes, and what answers and notifications say.

What bacpypes3 can't read, for whatever reason, is a `DeviceFaulted`: bytes come from outside.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any as Anything
from typing import NamedTuple

from bacpypes3.apdu import (
    AbortReason,
    APCISequence,
    ComplexAckPDU,
    ConfirmedCOVNotificationRequest,
    ConfirmedRequestPDU,
    ErrorPDU,
    IAmRequest,
    ReadPropertyACK,
    ReadPropertyMultipleACK,
    ReadPropertyMultipleRequest,
    ReadPropertyRequest,
    RejectReason,
    SubscribeCOVRequest,
    UnconfirmedCOVNotificationRequest,
    UnconfirmedRequestPDU,
    WhoIsRequest,
    WritePropertyRequest,
)
from bacpypes3.basetypes import EngineeringUnits, PropertyReference, ReadAccessSpecification, Segmentation
from bacpypes3.constructeddata import Any
from bacpypes3.primitivedata import (
    Boolean,
    CharacterString,
    Double,
    Enumerated,
    Integer,
    Null,
    ObjectIdentifier,
    PropertyIdentifier,
    Real,
    TagClass,
    Unsigned,
)

from holdfast.adapters.bacnet.frames import LARGEST_APDU, Heard, Kind
from holdfast.adapters.bacnet.objects import DEVICE, Ref
from holdfast.adapters.bacnet.values import (
    BOOLEAN,
    DOUBLE,
    ENUMERATED,
    INTEGER,
    NULL,
    REAL,
    TEXT,
    UNSIGNED,
    Value,
    primitive,
)
from holdfast.adapters.errors import DeviceFaulted, WriteRefused
from holdfast.model.points import Scalar

CONFIRMED_COV, SUBSCRIBE_COV, READ_PROPERTY, READ_MULTIPLE, WRITE_PROPERTY = 1, 5, 12, 14, 15
I_AM, UNCONFIRMED_COV, WHO_IS = 0, 2, 8
_NO_VENDOR = 999
"""Of those ASHRAE hasn't given to anybody."""
_MOST_VALUES = 10_000


class Read(NamedTuple):
    """What a device says of a property: values (several of an array or list), or an error's name."""

    ref: Ref
    values: tuple[Value, ...]
    error: str = ""


class Introduction(NamedTuple):
    """An I-Am (clause 16.10)."""

    instance: int
    max_apdu: int
    vendor: int


class Notice(NamedTuple):
    """A notification of a change (clauses 13.1, 13.6). reads: each changed property."""

    process: int
    device: int
    reads: tuple[Read, ...]


def read_property(ref: Ref) -> bytes:
    """ReadProperty (15.5)."""
    return _bytes(
        ReadPropertyRequest(
            objectIdentifier=ObjectIdentifier(ref.object),
            propertyIdentifier=PropertyIdentifier(ref.prop),
            propertyArrayIndex=ref.array,
        )
    )


def read_multiple(refs: Sequence[Ref]) -> bytes:
    """ReadPropertyMultiple (15.7); properties of one object that stand together are asked for together."""
    specs: list[Anything] = []
    last: tuple[int, int] | None = None
    for ref in refs:
        if ref.object != last:
            last = ref.object
            specs.append(ReadAccessSpecification(objectIdentifier=ObjectIdentifier(last), listOfPropertyReferences=[]))
        wanted = PropertyReference(propertyIdentifier=PropertyIdentifier(ref.prop), propertyArrayIndex=ref.array)
        specs[-1].listOfPropertyReferences.append(wanted)
    return _bytes(ReadPropertyMultipleRequest(listOfReadAccessSpecs=specs))


def subscribe(process: int, ref: Ref, *, confirmed: bool, lifetime_s: int) -> bytes:
    """SubscribeCOV (13.14)."""
    return _bytes(
        SubscribeCOVRequest(
            subscriberProcessIdentifier=process,
            monitoredObjectIdentifier=ObjectIdentifier(ref.object),
            issueConfirmedNotifications=confirmed,
            lifetime=lifetime_s,
        )
    )


def unsubscribe(process: int, ref: Ref) -> bytes:
    """SubscribeCOV without what makes it one (13.14.1.3)."""
    return _bytes(
        SubscribeCOVRequest(subscriberProcessIdentifier=process, monitoredObjectIdentifier=ObjectIdentifier(ref.object))
    )


def write_property(ref: Ref, value: Value, priority: int | None) -> bytes:
    """WriteProperty (15.9).

    Raises:
        WriteRefused: a value that has no such encoding.
    """
    return _bytes(
        WritePropertyRequest(
            objectIdentifier=ObjectIdentifier(ref.object),
            propertyIdentifier=PropertyIdentifier(ref.prop),
            propertyArrayIndex=ref.array,
            propertyValue=Any(_atom(value)),
            priority=priority,
        )
    )


def who_is(low: int | None = None, high: int | None = None) -> bytes:
    """Who-Is (16.10), of all or of a range of instances."""
    return _bytes(WhoIsRequest(deviceInstanceRangeLowLimit=low, deviceInstanceRangeHighLimit=high))


def i_am(instance: int) -> bytes:
    """Who we are: a client that takes segments."""
    return _bytes(
        IAmRequest(
            iAmDeviceIdentifier=ObjectIdentifier((DEVICE, instance)),
            maxAPDULengthAccepted=LARGEST_APDU,
            segmentationSupported=Segmentation.segmentedReceive,
            vendorID=_NO_VENDOR,
        )
    )


def property_read(payload: bytes, ref: Ref) -> Read:
    """The answer of a ReadProperty.

    Raises:
        DeviceFaulted: it can't be read, or answers something else.
    """
    try:
        ack = _decoded(ReadPropertyACK, payload)
        answered = Ref(*_object(ack.objectIdentifier), int(ack.propertyIdentifier), ack.propertyArrayIndex)
        values = tuple(_values(ack.propertyValue))
    except Exception as error:
        raise _unreadable(error) from error
    if answered != ref:
        raise DeviceFaulted(f"asked for {ref}, and told of {answered}")
    return Read(ref, values)


def multiple_read(payload: bytes) -> list[Read]:
    """The answer of a ReadPropertyMultiple.

    Raises:
        DeviceFaulted: it can't be read.
    """
    try:
        ack = _decoded(ReadPropertyMultipleACK, payload)
        return [
            _result(_object(one.objectIdentifier), element)
            for one in ack.listOfReadAccessResults
            for element in one.listOfResults
        ]
    except Exception as error:
        raise _unreadable(error) from error


def introduction(payload: bytes) -> Introduction:
    """Who says that it's there.

    Raises:
        DeviceFaulted: it can't be read.
    """
    try:
        said = _decoded(IAmRequest, payload)
        kind, instance = _object(said.iAmDeviceIdentifier)
        found = Introduction(instance, int(said.maxAPDULengthAccepted), int(said.vendorID))
    except Exception as error:
        raise _unreadable(error) from error
    if kind != DEVICE:
        raise DeviceFaulted("what says that it's there is no device")
    return found


def asked_who(payload: bytes) -> tuple[int, int]:
    """The instances that a Who-Is is about.

    Raises:
        DeviceFaulted: it can't be read.
    """
    try:
        said = _decoded(WhoIsRequest, payload)
        low, high = said.deviceInstanceRangeLowLimit, said.deviceInstanceRangeHighLimit
        return (0, 1 << 22) if low is None or high is None else (int(low), int(high))
    except Exception as error:
        raise _unreadable(error) from error


def notice(payload: bytes, *, confirmed: bool) -> Notice:
    """What a device tells of a change.

    Raises:
        DeviceFaulted: it can't be read.
    """
    try:
        said = _decoded(ConfirmedCOVNotificationRequest if confirmed else UnconfirmedCOVNotificationRequest, payload)
        about = _object(said.monitoredObjectIdentifier)
        reads = [
            Read(Ref(*about, int(one.propertyIdentifier), one.propertyArrayIndex), tuple(_values(one.value)))
            for one in said.listOfValues
        ]
        process, device = int(said.subscriberProcessIdentifier), int(said.initiatingDeviceIdentifier[1])
        return Notice(process, device, tuple(reads))
    except Exception as error:
        raise _unreadable(error) from error


def name_of(pdu: Heard) -> str:
    """What an Error, Reject or Abort PDU says, in a word of clause 21."""
    try:
        if pdu.kind is Kind.REJECT:
            return str(RejectReason(pdu.choice))
        if pdu.kind is Kind.ABORT:
            return str(AbortReason(pdu.choice))
        # Errors of other services begin with the same two, or hold them first (clause 21).
        said = ErrorPDU(pdu.choice, 0)
        said.put_data(pdu.payload)
        return str(APCISequence.decode(said).errorCode)
    except Exception:  # noqa: BLE001  # whatever a device sends there
        return "that can't be read"


def unit_name(number: Scalar | None) -> str:
    """An engineering unit by its name in clause 21; a maker's own by its number."""
    return str(EngineeringUnits(number)) if isinstance(number, int) and 0 <= number <= 65_535 else ""


def _bytes(request: Anything) -> bytes:
    return bytes(request.encode().pduData)


def _decoded(kind: Anything, payload: bytes) -> Anything:
    if issubclass(kind, ComplexAckPDU):
        pdu = ComplexAckPDU(kind.service_choice, 0)
    elif issubclass(kind, ConfirmedRequestPDU):
        pdu = ConfirmedRequestPDU(kind.service_choice)
    else:
        pdu = UnconfirmedRequestPDU(kind.service_choice)
    pdu.put_data(payload)
    return APCISequence.decode(pdu)


def _object(found: Anything) -> tuple[int, int]:
    return int(found[0]), int(found[1])


def _values(found: Anything) -> Iterator[Value]:
    """The primitives of an Any. Constructed ones have no place in a point.

    Raises:
        ValueError: there are such.
    """
    depth = count = 0
    for tag in found.tagList:
        if tag.tag_class == TagClass.opening:
            depth += 1
        elif tag.tag_class == TagClass.closing:
            depth -= 1
        elif tag.tag_class != TagClass.application or depth > 1:
            raise ValueError("a constructed value")
        else:
            count += 1
            if count > _MOST_VALUES:
                raise ValueError("too many values")
            yield primitive(tag.tag_number, bytes(tag.tag_data), tag.tag_lvt)


def _result(about: tuple[int, int], element: Anything) -> Read:
    ref = Ref(*about, int(element.propertyIdentifier), element.propertyArrayIndex)
    failed = element.readResult.propertyAccessError
    if failed is not None:
        return Read(ref, (), str(failed.errorCode))
    try:
        return Read(ref, tuple(_values(element.readResult.propertyValue)))
    except ValueError as error:
        return Read(ref, (), str(error))


def _atom(value: Value) -> Anything:
    tag, found = value
    if tag == NULL:
        return Null(())
    if tag == TEXT:
        return CharacterString("" if found is None else str(found))
    if found is None or isinstance(found, str):
        raise WriteRefused(f"the object holds no text, and {found!r} is no number")
    if tag not in _ATOMS:
        raise WriteRefused("values of this type can't be written")
    made, shape = _ATOMS[tag]
    try:
        return made(shape(found))
    except (ValueError, TypeError, OverflowError) as error:
        raise WriteRefused(f"{found!r} can't be written: {error}") from None


def _whole(found: Scalar) -> int:
    whole = round(float(found))
    if abs(float(found) - whole) > 1e-9 * max(1.0, abs(whole)):
        raise ValueError("it takes whole numbers")
    return whole


_ATOMS: dict[int, tuple[Anything, Callable[[Scalar], Scalar]]] = {
    BOOLEAN: (Boolean, bool),
    UNSIGNED: (Unsigned, _whole),
    INTEGER: (Integer, _whole),
    REAL: (Real, float),
    DOUBLE: (Double, float),
    ENUMERATED: (Enumerated, _whole),
}


def _unreadable(error: Exception) -> DeviceFaulted:
    return DeviceFaulted(f"what came can't be read: {type(error).__name__}: {error}"[:300])
