from pathlib import Path

import pytest

from holdfast.kernel.documents import SettingsInvalid, parse
from holdfast.transport.addresses import Address
from holdfast.web.settings import ApiSettings, TlsSettings


def test_the_default_listens_on_loopback_and_is_fine() -> None:
    assert ApiSettings().findings() == []
    assert ApiSettings().address == Address("127.0.0.1", 8080)


def test_beyond_loopback_tls_is_demanded_with_the_reason() -> None:
    (finding,) = ApiSettings(listen="0.0.0.0:8080").findings()
    assert finding[0] == ("listen",)
    assert "in the clear" in finding[1]
    assert ApiSettings(listen="0.0.0.0:8443", tls=TlsSettings("hub.pem", "hub.key")).findings() == []


@pytest.mark.parametrize("listen", ["", "8080", "host:99999"])
def test_a_text_that_is_no_address_is_a_finding(listen: str) -> None:
    assert [where for where, _ in ApiSettings(listen=listen).findings()] == [("listen",)]


def test_no_connections_at_all_is_a_finding() -> None:
    assert ApiSettings(connections=0).findings() == [(("connections",), "at least 1")]


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(SettingsInvalid, match="did you mean `listen`"):
        parse("listn: 127.0.0.1:1", ApiSettings, Path("node.yaml"))
