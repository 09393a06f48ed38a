"""A session with a server, over one connection after another.

When a connection is lost the session is kept for the next one (ActivateSession on a new channel, Part 4 §6.7), so that
the server's subscriptions, and what they couldn't deliver, stay. Only `asyncua`'s steps are used; what it would do by
itself in tasks is done here, where its failure is seen.
"""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from asyncua import ua
from asyncua.crypto import security_policies, uacrypto
from asyncua.ua.uaerrors import UaStatusCodeError
from cryptography import x509

from holdfast.adapters.errors import DeviceFaulted, DeviceUnreachable
from holdfast.adapters.opcua import answers
from holdfast.adapters.opcua.addresses import Address
from holdfast.adapters.opcua.answers import Published
from holdfast.adapters.opcua.binary import DataValue
from holdfast.adapters.opcua.guards import BoundedClient, wait_closed
from holdfast.adapters.opcua.settings import OpcuaSettings
from holdfast.adapters.opcua.words import NO_SESSION, in_plain

T = TypeVar("T")
_NAMESPACES = ua.NodeId(ua.ObjectIds.Server_NamespaceArray)
_MOST_ITEMS = ua.NodeId(ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall)
_MOST_READ = ua.NodeId(ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead)
BATCH = 500
"""Nodes in a request, where the server doesn't want fewer."""
_CHANNEL_MS = 3_600_000
_RENEW_AT = 0.75
"""Of a channel's life, when it's renewed (Part 4 §5.5.2.1)."""
_KINDS = {"i": ua.NodeIdType.Numeric, "s": ua.NodeIdType.String, "g": ua.NodeIdType.Guid, "b": ua.NodeIdType.ByteString}


def node_id(address: Address) -> ua.NodeId:
    """Asyncua's for an address whose namespace is an index."""
    read: dict[str, Callable[[str], Any]] = {"i": int, "s": str, "g": UUID, "b": bytes.fromhex}
    return ua.NodeId(read[address.kind](address.key), address.space, _KINDS[address.kind])


class Link:
    """One server. Loop thread only; one `open` at a time."""

    def __init__(self, settings: OpcuaSettings, path: Callable[[str], Path], about: str) -> None:
        """path: makes a path of node.yaml absolute; about: how this node calls itself, for the server's log."""
        self._settings, self._path, self._about = settings, path, about
        self._client: BoundedClient | None = None
        self._is_spent = False
        """The session is of no more use: the next connection begins a new one."""
        self.spaces: Sequence[str] = ()
        self.most_items = self.most_read = BATCH
        self.is_open = False

    async def open(self) -> bool:
        """Connect; True = the session of before goes on, so its subscriptions may, too.

        Raises:
            HoldfastError: when there is no connection, or the server doesn't take us.
        """
        try:
            if self._client is not None and not self._is_spent and await self._resumed(self._client):
                return True
            self._client, self._is_spent = await self._new(), False
            await self._get_to_know()
        except Exception as error:
            await self.cut()
            raise self.plain(error) from error
        self.is_open = True
        return False

    async def _resumed(self, client: BoundedClient) -> bool:
        await self._channel(client)
        client.uaclient.session.rebind_authentication_token()
        try:
            await client.activate_session(*self._login())
        except UaStatusCodeError:  # the server has restarted, or has had enough of waiting
            await wait_closed(client)
            return False
        self.is_open = True
        return True

    async def _new(self) -> BoundedClient:
        settings = self._settings
        client = BoundedClient(settings.where, settings.timeout)
        client.application_uri = client.product_uri = f"urn:holdfast:{self._about}"
        client.name = client.description = f"Holdfast {self._about}"
        client.session_timeout, client.secure_channel_timeout = round(1_000 * settings.resume) or 1_000, _CHANNEL_MS
        if settings.security != "none":
            await self._secure(client)
        try:
            await self._channel(client)
            await client.create_session()
            await client.activate_session(*self._login())
        except BaseException:
            await wait_closed(client)
            raise
        return client

    async def _channel(self, client: BoundedClient) -> None:
        await client.connect_socket()
        await client.send_hello()
        await client.open_secure_channel()

    def _login(self) -> tuple[str | None, str | None]:
        settings = self._settings
        if not settings.user:
            return None, None
        return settings.user, self._file(
            "password_file"
        ).decode().strip() if settings.password_file else settings.password

    def _file(self, key: str) -> bytes:
        path = self._path(getattr(self._settings, key))
        try:
            return path.read_bytes()
        except OSError as error:
            raise DeviceFaulted(f"{path} can't be read: {error.strerror}", f"`{key}` of node.yaml names it") from error

    def check_files(self) -> None:
        """Read the files that the settings name: what can't be is said at the start, not in the middle of the night.

        Raises:
            DeviceFaulted: when one can't be read.
        """
        for key in ("certificate", "key", "server_certificate", "password_file"):
            if getattr(self._settings, key):
                self._file(key)

    async def _secure(self, client: BoundedClient) -> None:
        settings = self._settings
        policy = getattr(security_policies, f"SecurityPolicy{settings.security}")
        mode = ua.MessageSecurityMode.Sign if settings.mode == "sign" else ua.MessageSecurityMode.SignAndEncrypt
        found = {key: self._file(key) for key in ("certificate", "key", "server_certificate")}
        parts = {key: uacrypto.CertProperties(data, _form(data)) for key, data in found.items()}
        try:
            own = await uacrypto.load_certificate(found["certificate"], _form(found["certificate"]))
            client.application_uri = _uri(own) or client.application_uri
            await client.set_security(
                policy, parts["certificate"], parts["key"], None, parts["server_certificate"], mode
            )
        except (ValueError, TypeError) as error:
            raise DeviceFaulted(
                f"a certificate or key of {settings.where} can't be used: {error}", "PEM or DER, the key unencrypted"
            ) from error

    async def _get_to_know(self) -> None:
        wanted = [_NAMESPACES, _MOST_ITEMS, _MOST_READ]
        spaces, items, read = await self.read(wanted)
        self.spaces = [str(one) for one in spaces.value] if isinstance(spaces.value, list) else []
        self.most_items = _limit(items)
        self.most_read = _limit(read)

    async def renew(self) -> None:
        """Renew the channel's keys for as long as it lives."""
        while self._client is not None:
            await asyncio.sleep(self._client.secure_channel_timeout / 1_000 * _RENEW_AT)
            await self._client.open_secure_channel(renew=True)
            self._client.uaclient.revolve_security_token()

    async def cut(self) -> None:
        """Cut the connection; the session stays with the server."""
        self.is_open = False
        if self._client is not None:
            await wait_closed(self._client)

    async def close(self, deadline_s: float) -> None:
        """End the session, with its subscriptions, and the connection."""
        client, self._client, was_open = self._client, None, self.is_open
        self.is_open = False
        if client is None:
            return
        try:
            if was_open:
                async with asyncio.timeout(deadline_s):
                    await client.uaclient.close_session(delete_subscriptions=True)
        except Exception:  # noqa: BLE001, S110  # it's over either way
            pass
        finally:
            await wait_closed(client)

    async def ask(self, request: Any, read: Callable[[bytes], tuple[int, T]], timeout_s: float | None = None) -> T:
        """Ask, and read the answer.

        Raises:
            HoldfastError: when there is no answer, or a bad one.
        """
        result, found = read(await self._answer(request, timeout_s))
        self._check(result)
        return found

    async def publish(self, acks: Sequence[tuple[int, int]]) -> Published:
        """Wait for the next message of a subscription. acks: (subscription, number)."""
        request = ua.PublishRequest()
        request.Parameters.SubscriptionAcknowledgements = [ua.SubscriptionAcknowledgement(*one) for one in acks]
        found = answers.published(await self._answer(request, 0))
        self._check(found.result)
        return found

    def _check(self, result: int) -> None:
        if result >> 30 == 2:  # bad
            raise self.plain(UaStatusCodeError(result))

    async def call(self, made: Callable[[BoundedClient], Any]) -> Any:
        """Use one of asyncua's own requests.

        Raises:
            HoldfastError: as `ask`.
        """
        if self._client is None:
            raise DeviceUnreachable(f"{self._settings.where}: there is no connection")
        try:
            return await made(self._client)
        except Exception as error:
            raise self.plain(error) from error

    async def read(self, nodes: Sequence[ua.NodeId], attribute: int = ua.AttributeIds.Value) -> list[DataValue]:
        """An attribute of each node, in requests of a size that the server takes."""
        found: list[DataValue] = []
        for i in range(0, len(nodes), self.most_read):
            part = nodes[i : i + self.most_read]
            request = ua.ReadRequest()
            request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
            request.Parameters.NodesToRead = [ua.ReadValueId(NodeId=one, AttributeId=attribute) for one in part]
            told = await self.ask(request, answers.values_read)
            if len(told) != len(part):
                raise DeviceFaulted(f"{self._settings.where} answers {len(told)} values for {len(part)} nodes")
            found += told
        return found

    async def _answer(self, request: Any, timeout_s: float | None) -> bytes:
        protocol = None if self._client is None else self._client.uaclient.protocol
        if protocol is None:
            raise DeviceUnreachable(f"{self._settings.where}: there is no connection")
        try:
            found = await protocol.send_request(request, timeout_s)
            data: bytes = found.read(len(found))
        except Exception as error:
            raise self.plain(error) from error
        return data

    def plain(self, error: BaseException) -> Exception:
        """The error in words; one that says there's no session any more means that the next one is new."""
        protocol = None if self._client is None else self._client.uaclient.protocol
        code = getattr(error, "code", 0)
        if isinstance(code, int) and code & 0xFFFF0000 in NO_SESSION:
            self._is_spent = True
        if isinstance(error, ConnectionError) and protocol is not None and protocol.fault is not None:
            error = protocol.fault
        return in_plain(error, self._settings.where, self._settings.timeout)


def _limit(found: DataValue) -> int:
    return min(found.value, BATCH) if isinstance(found.value, int) and found.value > 0 else BATCH


def _form(data: bytes) -> str:
    return "pem" if data.lstrip().startswith(b"-----BEGIN") else "der"


def _uri(certificate: Any) -> str:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    return uris[0] if uris else ""
