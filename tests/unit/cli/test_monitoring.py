from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from holdfast.cli.main import app
from holdfast.cli.monitoring import TargetInvalid, target


def test_what_prometheus_needs_is_written_with_the_nodes_names(tmp_path: Path) -> None:
    words = ["monitoring", "export", str(tmp_path), "--scrape", "gw=http://10.0.0.5:8080", "--scrape"]
    done = CliRunner().invoke(app, [*words, "hub=https://hub:8443", "--ca", "ca.pem"])
    assert done.exit_code == 0, done.output
    config = yaml.safe_load((tmp_path / "prometheus.yml").read_text())
    plain, secure = config["scrape_configs"]
    assert plain["static_configs"] == [{"targets": ["10.0.0.5:8080"], "labels": {"instance": "gw", "job": "holdfast"}}]
    assert (secure["scheme"], secure["tls_config"]) == ("https", {"ca_file": "ca.pem"})
    assert (tmp_path / "rules" / "holdfast.rules.yaml").exists()
    assert {file.name for file in (tmp_path / "dashboards").iterdir()} == {"holdfast-fleet.json", "holdfast-site.json"}


def test_a_node_that_is_no_name_and_address_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["monitoring", "export", str(tmp_path), "--scrape", "10.0.0.5:8080"])
    assert done.exit_code == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["gw=ftp://x:1", "gw=http://x", "=http://x:1", "gw=http://x:1/metrics"])
def test_only_http_addresses_with_a_port_are_scraped(text: str) -> None:
    with pytest.raises(TargetInvalid):
        target(text)
