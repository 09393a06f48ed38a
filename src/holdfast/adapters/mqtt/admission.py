"""May this client connect? Pure; answers with a reason of MQTT."""

import hmac

from holdfast.adapters.mqtt.packets import V311, Connect
from holdfast.adapters.mqtt.reasons import Reason
from holdfast.adapters.mqtt.settings import MqttSettings

MAX_CLIENT_BYTES = 256


def admit(connect: Connect, settings: MqttSettings) -> Reason:
    """SUCCESS, or why the client is turned away."""
    if connect.auth_method is not None:
        return Reason.BAD_AUTHENTICATION_METHOD
    if not _client_id_good(connect):
        return Reason.CLIENT_ID_INVALID
    if connect.username is None:
        return Reason.SUCCESS if settings.anonymous else Reason.NOT_AUTHORISED
    return _check_password(connect.username, connect.password or b"", settings)


def _client_id_good(connect: Connect) -> bool:
    client = connect.client
    if not client:
        return connect.clean_start or connect.version != V311
    return len(client.encode()) <= MAX_CLIENT_BYTES and client.isprintable()


def _check_password(username: str, password: bytes, settings: MqttSettings) -> Reason:
    expected = settings.users.get(username)
    # An unknown user costs the same comparison as a known one, so that time tells nobody which names exist.
    same = hmac.compare_digest(password, (expected if expected is not None else "").encode())
    return Reason.SUCCESS if same and expected is not None else Reason.BAD_CREDENTIALS
