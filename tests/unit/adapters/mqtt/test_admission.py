import pytest

from holdfast.adapters.mqtt.admission import admit
from holdfast.adapters.mqtt.packets import Connect
from holdfast.adapters.mqtt.reasons import Reason
from holdfast.adapters.mqtt.settings import MqttSettings

CLOSED = MqttSettings(users={"press": "sécret", "empty": ""})
OPEN = MqttSettings(anonymous=True, users={"press": "sécret"})


def who(username: str | None = None, password: bytes | None = None) -> Connect:
    return Connect(4, "d", clean_start=True, keep_alive_s=0, username=username, password=password)


@pytest.mark.parametrize(
    ("connect", "settings", "reason"),
    [
        (who(), OPEN, Reason.SUCCESS),
        (who(), CLOSED, Reason.NOT_AUTHORISED),
        (who("press", "sécret".encode()), CLOSED, Reason.SUCCESS),
        (who("press", b"secret"), CLOSED, Reason.BAD_CREDENTIALS),
        (who("press"), CLOSED, Reason.BAD_CREDENTIALS),
        (who("nobody"), CLOSED, Reason.BAD_CREDENTIALS),
        (who("nobody", b""), OPEN, Reason.BAD_CREDENTIALS),
        (Connect(5, "d", clean_start=True, keep_alive_s=0, auth_method="x"), OPEN, Reason.BAD_AUTHENTICATION_METHOD),
        (Connect(4, "", clean_start=True, keep_alive_s=0), OPEN, Reason.SUCCESS),
        (Connect(4, "", clean_start=False, keep_alive_s=0), OPEN, Reason.CLIENT_ID_INVALID),
        (Connect(5, "", clean_start=False, keep_alive_s=0), OPEN, Reason.SUCCESS),
        (Connect(4, "a\nb", clean_start=True, keep_alive_s=0), OPEN, Reason.CLIENT_ID_INVALID),
        (Connect(4, "x" * 257, clean_start=True, keep_alive_s=0), OPEN, Reason.CLIENT_ID_INVALID),
    ],
)
def test_who_may_connect(connect: Connect, settings: MqttSettings, reason: Reason) -> None:
    assert admit(connect, settings) is reason
