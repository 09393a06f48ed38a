"""A support bundle says much and no secret: secrets are planted everywhere, and looked for in every form."""

import base64
import io
import json
import tarfile
import zipfile
from pathlib import Path
from urllib.parse import quote

import pytest
import zstandard
from typer.testing import CliRunner

from holdfast.cli.main import app
from holdfast.journal.journal import Journal
from holdfast.journal.records import QuarantineRow
from holdfast.journal.settings import JournalSettings
from holdfast.kernel.clock import SystemClock
from holdfast.reporting.redacting import GONE, Redactor
from holdfast.storage.rolls import Roll
from holdfast.telemetry.lines import LogLine

PLANTED = {
    "device password": "Corr3ct-horse/battery+staple",
    "token file": "hf_tok_9f8e7d6c5b4a",
    "webhook path": "T0K3NINTHEPATH42",
    "header": "Bearer-xyz-123456789",
    "url login": "s3cr3tinurl",
    "env": "from-the-environment-77",
    "ntfy topic": "our-private-topic-5512",
    "query": "sig=AbCdEf0123456789",
    "child token": "child-token-1029384756",
    "in a comment": "old-password-was-swordfish",
    "otlp header": "otlp-key-5647382910",
}
SETTINGS = """\
node: gw   # {in a comment}
data: data
mqtt: {{listen: '127.0.0.1:1', users: {{press: '{device password}'}}}}
api: {{listen: '127.0.0.1:2'}}
profiles: [rooms.yaml]
parent: {{url: 'https://hub.example.com:8443', ca: ca.pem, token_file: up.token}}
children: {{tokens: {{sub: sub.token}}}}
brokers:
  plant:
    {{url: 'mqtts://broker.example.com', username: holdfast, password: '{device password}', subscribe: {{'a/#': 1}}}}
channels:
  chat: {{slack: {{url: 'https://hooks.example.com/services/T000/{webhook path}'}}}}
  hook:
    webhook: {{url: 'https://h.example.com/in?{query}', headers: {{X-Key: '{header}', Y: {{env: HF_TEST_SECRET}}}}}}
  phone: {{ntfy: {{url: 'https://ntfy.example.com', topic: '{ntfy topic}'}}}}
telemetry: {{otlp: {{url: 'https://otel.example.com', headers: {{api: '{otlp header}'}}}}}}
"""


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_TEST_SECRET", PLANTED["env"])
    (tmp_path / "node.yaml").write_text(SETTINGS.format(**PLANTED))
    (tmp_path / "up.token").write_text(PLANTED["token file"] + "\n")
    (tmp_path / "sub.token").write_text(PLANTED["child token"] + "\n")
    (tmp_path / "rooms.yaml").write_text(f"note: '{PLANTED['device password']}'\n# {PLANTED['in a comment']}\n")
    data = tmp_path / "data"
    everything = " ".join(PLANTED[one] for one in PLANTED if one not in ("url login", "in a comment"))
    Roll(data / "telemetry", "logs", 1 << 20).append(
        [
            json.dumps({"n": 1, "ts_ns": 5, "level": "INFO", "name": "Odd", "fields": {"said": everything}}).encode(),
            json.dumps(
                {"n": 2, "ts_ns": 6, "level": "INFO", "name": "Url", "fields": {
                    "at": f"mqtts://u:{PLANTED['url login']}@b.example.com/x",
                    "coded": quote(PLANTED["device password"], safe="") + " "
                    + base64.b64encode(PLANTED["token file"].encode()).decode(),
                    "unheard": "Authorization: Bearer never.told.anybody0123456789",
                }}
            ).encode(),
        ]
    )  # fmt: skip
    return tmp_path


async def _journal(folder: Path) -> None:
    journal = Journal(folder / "data" / "journal.db", "gw", JournalSettings(), SystemClock())
    row = QuarantineRow(0, 5, "press", "a/b", "not_json", f"said {PLANTED['token file']}", b"payload-secret-918273")
    await journal.submit(lambda tx: tx.quarantine([row], 10))
    journal.close()


def opened(path: Path) -> dict[str, str]:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            return {name.partition("/")[2]: archive.read(name).decode() for name in archive.namelist()}
    with tarfile.open(fileobj=io.BytesIO(zstandard.decompress(path.read_bytes(), max_output_size=1 << 26))) as tar:
        found = {}
        for entry in tar:
            file = tar.extractfile(entry)
            assert file is not None
            found[entry.name.partition("/")[2]] = file.read().decode()
        return found


@pytest.mark.parametrize("name", ["b.tar.zst", "b.zip"])
def test_no_planted_secret_is_in_the_bundle_of_a_stopped_node_and_the_rest_is(node: Path, name: str) -> None:
    import asyncio

    asyncio.run(_journal(node))
    target = node / name
    done = CliRunner().invoke(app, ["support-bundle", str(node / "node.yaml"), "-o", str(target)])
    assert done.exit_code == 0, done.output
    assert target.stat().st_mode & 0o777 == 0o600
    files = opened(target)
    whole = "\n".join(files.values())
    planted = {**PLANTED, "payload": "payload-secret-918273", "unheard": "never.told.anybody0123456789"}
    for what, secret in planted.items():
        for form in (secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode().rstrip("=")):
            assert form not in whole, (what, form)
    assert {"README.txt", "node.yaml", "status.json", "ledger.json", "journal.json", "integrity.json", "log.jsonl"} <= (
        set(files)
    )
    assert not [name for name in files if "failed" in name], {n: t for n, t in files.items() if "failed" in n}
    assert "hub.example.com:8443" in files["node.yaml"]  # what helps is left in
    assert "hooks.example.com" in files["node.yaml"]
    assert json.loads(files["journal.json"])["pragmas"]["journal_mode"] == "wal"
    assert json.loads(files["integrity.json"])["quick_check"] == ["ok"]
    assert json.loads(files["quarantine.json"])[0]["bytes"] == 21
    assert [json.loads(line, strict=True)["name"] for line in files["log.jsonl"].splitlines()] == ["Odd", "Url"]
    assert LogLine(**json.loads(files["log.jsonl"].splitlines()[1])).fields["at"] == f"mqtts://{GONE}@b.example.com/x"


def test_a_node_that_never_ran_has_a_bundle_too_and_none_is_overwritten(node: Path) -> None:
    target = node / "b.zip"
    command = ["support-bundle", str(node / "node.yaml"), "-o", str(target)]
    assert CliRunner().invoke(app, command).exit_code == 0
    assert "doctor.json" in opened(target)
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 2
    assert "is there already" in again.output


def test_words_that_only_look_like_settings_stay(tmp_path: Path) -> None:
    redactor = Redactor()
    tree = {"node": "gw", "profiles": ["builtin:rooms"], "parent": {"token_file": "up.token"}, "keys": {"limit": 5}}
    assert redactor.settings(tree) == tree
    assert redactor.removed == 0
    assert redactor.text("press-07 temp = 21.5, see https://example.com/docs") == (
        "press-07 temp = 21.5, see https://example.com/docs"
    )
