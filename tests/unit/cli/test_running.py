"""The commands against a node's web app on a real socket."""

from pathlib import Path

import pytest
from tests.unit.cli.site import holdfast, make_site, message, served, told
from tests.unit.web.doors import Refused, make_deps

from holdfast.identity.authority import create_authority, issue_certificate
from holdfast.journal.quarantine import QuarantineFilter
from holdfast.transport.tls import server_context


@pytest.fixture
def desk() -> Refused:
    return Refused()


def site(folder: Path, port: int) -> Path:
    return make_site(folder, [message(1)], more=f"api: {{listen: '127.0.0.1:{port}'}}\n")


def test_a_running_node_is_asked_before_its_file(tmp_path: Path, desk: Refused) -> None:
    with served(make_deps(quarantine=desk)) as port:
        settings = site(tmp_path, port)
        found = told("status", settings)
        assert (found["source"], found["clock"], found["link"]["state"]) == ("api", "trusted", "up")
        assert (found["node"], found["uptime_s"]) == ("gw", 1.0)
        assert told("status", "--url", f"http://127.0.0.1:{port}")["at"] == f"http://127.0.0.1:{port}"
        assert "up to https://hub:8443" in holdfast("status", settings).stdout
        assert told("ledger", settings, "--verify")["source"] == f"http://127.0.0.1:{port}"
        assert told("quarantine", "show", settings, 1)["verdict"]["reason"] == "malformed"
        missing = holdfast("quarantine", "show", settings, 9)
        assert (missing.exit_code, "says: no refused message has the id 9" in missing.stderr) == (2, True)


def test_a_replay_goes_through_the_running_node(tmp_path: Path, desk: Refused) -> None:
    with served(make_deps(quarantine=desk)) as port:
        settings = site(tmp_path, port)
        done = told("quarantine", "replay", settings, "--ids", "3,5", "--topic", "a/#", "--dry-run")
        assert done["replayed"] == 2
        assert "2 messages became 10 readings." in holdfast("quarantine", "replay", settings).stdout
    assert desk.asked == [(QuarantineFilter(ids=(3, 5), topic="a/#"), True), (QuarantineFilter(), False)]


def test_filters_reach_the_running_node_and_a_page_ends_where_there_is_no_more(tmp_path: Path, desk: Refused) -> None:
    desk.has_one_page = True
    with served(make_deps(quarantine=desk)) as port:
        settings = site(tmp_path, port)
        rows = told("quarantine", "list", settings, "--reason", "stale", "--source", "c", "--since", "1700000000.5")
    assert [row["id"] for row in rows] == [1]
    wanted = QuarantineFilter(reason="stale", source="c", since_ns=1_700_000_000_500_000_000)
    assert [looked for looked, _ in desk.looked] == [wanted, wanted]
    assert desk.looked[1][1] == 1


def test_another_node_at_the_address_is_not_mistaken_for_this_one(tmp_path: Path) -> None:
    with served(make_deps()) as port:
        settings = site(tmp_path, port)
        settings.write_text(settings.read_text().replace("node: gw", "node: other"))
        done = holdfast("status", settings)
    assert done.exit_code == 2
    assert "is the node gw, not other" in done.stderr


def test_a_node_that_went_away_is_read_from_its_file(tmp_path: Path) -> None:
    with served(make_deps()) as port:
        settings = site(tmp_path, port)
    assert told("status", settings)["source"] == "file"
    assert f"No node answers at http://127.0.0.1:{port}" in holdfast("ledger", settings).stdout


def test_a_node_with_tls_is_believed_by_its_own_certificate_and_no_other(tmp_path: Path) -> None:
    create_authority(tmp_path)
    own, other = (issue_certificate(tmp_path, name, [f"{name}.example"]) for name in ("own", "other"))
    tls = f"tls: {{certificate: {own.certificate}, key: {own.key}}}"
    with served(make_deps(), server_context(tmp_path / own.certificate, tmp_path / own.key)) as port:
        settings = make_site(tmp_path, [], more=f"api: {{listen: '127.0.0.1:{port}', {tls}}}\n")
        assert told("status", settings)["at"] == f"https://127.0.0.1:{port}"
        url = ("--url", f"https://127.0.0.1:{port}", "--ca", tmp_path / "ca.pem")
        assert "its certificate is not trusted" in holdfast("status", *url).stderr  # made out to another name
    with served(make_deps(), server_context(tmp_path / other.certificate, tmp_path / other.key)) as port:
        settings.write_text(f"node: gw\napi: {{listen: '127.0.0.1:{port}', {tls}}}\n")
        found = told("status", settings)
    assert (found["source"], "is not trusted" in found["note"]) == ("file", True)
