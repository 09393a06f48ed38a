"""May this client connect? Pure; answers with a reason of MQTT."""

import hmac

from holdfast.adapters.mqtt.packets import V311, Connect
from holdfast.adapters.mqtt.reasons import Reason
from holdfast.adapters.mqtt.settings import MqttSettings

MAX_CLIENT_BYTES = 256


def admit(connect: Connect, settings: MqttSettings) -> Reason:
    """SUCCESS, or why the client is turned away: what can be said without a users file or a certificate."""
    reason = admit_shape(connect)
    if reason is not Reason.SUCCESS:
        return reason
    if connect.username is None:
        return Reason.SUCCESS if settings.anonymous else Reason.NOT_AUTHORISED
    return check_password(connect, settings)


def admit_shape(connect: Connect) -> Reason:
    """SUCCESS when nothing but the client's identity remains to be checked."""
    if connect.auth_method is not None:
        return Reason.BAD_AUTHENTICATION_METHOD
    return Reason.SUCCESS if _client_id_good(connect) else Reason.CLIENT_ID_INVALID


def check_password(connect: Connect, settings: MqttSettings) -> Reason:
    """Compare with `users:`."""
    expected = settings.users.get(connect.username or "")
    # An unknown user costs the same comparison as a known one, so that time tells nobody which names exist.
    same = hmac.compare_digest(connect.password or b"", (expected if expected is not None else "").encode())
    return Reason.SUCCESS if same and expected is not None else Reason.BAD_CREDENTIALS


def _client_id_good(connect: Connect) -> bool:
    client = connect.client
    if not client:
        return connect.clean_start or connect.version != V311
    return len(client.encode()) <= MAX_CLIENT_BYTES and client.isprintable()
