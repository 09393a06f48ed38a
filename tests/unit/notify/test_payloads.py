"""What services are sent, held to what they publish (sources in `notify/payloads.py`), and templates."""

import json
from email import message_from_bytes
from email.policy import default
from typing import Any

import msgspec
import pytest
from tests.events import alert

from holdfast.journal.alerts import Alert
from holdfast.journal.dispatches import Dispatch, What
from holdfast.model.event import Event, Severity
from holdfast.notify import payloads
from holdfast.notify.messages import Message, compose
from holdfast.notify.settings import EmailSettings
from holdfast.notify.templates import PLACES, fill, fill_text
from holdfast.notify.trial import trial
from holdfast.notify.ways import mail

TS = 1_795_187_068_000_000_000
EVIL = "<!channel> & <https://evil|click> *bold* [x](https://evil)\r\nBcc: all@example.com"
NTFY_FIELDS = {"topic", "message", "title", "tags", "priority", "actions", "click", "attach", "markdown", "icon"}


def stored(
    number: int, what: What, severity: Severity = "critical", message: str = "too hot"
) -> tuple[Dispatch, Alert]:
    raised = alert(number, ts=TS, device=f"d{number}", severity=severity, message=message, why={"values": {"t": 7.5}})
    cleared: Event | None = None
    if what in ("cleared", "both"):
        cleared = msgspec.structs.replace(raised, id=f"{number + 500:032x}", kind="alert.cleared", ts=TS + 60 * 10**9)
    over_ns = cleared.ts if cleared is not None else 0
    about = raised.node, raised.device, raised.rule, severity, raised.id
    key = cleared.id if cleared is not None else raised.id
    one = Alert(number, *about, TS, TS, raised, over_ns, cleared, 0, "", "")
    return Dispatch("ops", number, key, what, 0, 0, id=number), one


def message(*what: What, text: str = "too hot", severity: Severity = "critical") -> Message:
    return compose("gw", [stored(n, one, severity, text) for n, one in enumerate(what, 1)])


def many(n: int, text: str) -> Message:
    return compose("gw", [stored(number, "raised", "critical", text) for number in range(n)])


def test_the_webhooks_own_body_says_everything_with_the_ids() -> None:
    body = json.loads(msgspec.json.encode(payloads.webhook(message("raised", "both"))))
    assert body["count"] == 2
    assert body["title"] == "[critical] 2 alerts of hot: 1 raised, 1 raised and cleared"
    first, second = body["alerts"]
    assert (first["id"], first["state"], first["alert"]) == (f"{1:032x}", "raised", 1)
    assert (second["raised"], second["cleared"]) == ("2026-11-20T15:04:28Z", "2026-11-20T15:05:28Z")
    assert first["why"] == {"values": {"t": 7.5}}


def test_a_message_has_the_same_id_however_its_alerts_are_ordered() -> None:
    some = [stored(n, "raised") for n in (1, 2, 3)]
    assert compose("gw", some).id == compose("gw", some[::-1]).id != compose("gw", some[:2]).id
    assert compose("gw", some[:1]).id == some[0][0].key


@pytest.mark.parametrize(
    ("what", "severity", "priority", "tag"),
    [
        ("raised", "critical", 5, "rotating_light"),
        ("again", "warning", 4, "warning"),
        ("step", "info", 3, "information_source"),
        ("cleared", "critical", 3, "white_check_mark"),
        ("both", "warning", 3, "white_check_mark"),
    ],
)
def test_ntfy_gets_a_json_message_with_a_priority_from_1_to_5(
    what: What, severity: Severity, priority: int, tag: str
) -> None:
    body = payloads.ntfy(message(what, severity=severity), "plant")
    assert body.keys() <= NTFY_FIELDS
    assert (body["topic"], body["priority"], body["tags"]) == ("plant", priority, [tag])


def test_ntfy_gets_no_more_than_fits_into_a_message() -> None:
    body = payloads.ntfy(many(50, text="ü" * 900), "plant")
    assert len(body["message"].encode()) <= 4_096
    assert body["message"].endswith("…")


def test_slack_gets_text_in_which_nobody_can_hide_a_link_or_call_everyone() -> None:
    text = payloads.slack(message("raised", text=EVIL))["text"]
    assert "<" not in text
    assert ">" not in text
    assert "&lt;!channel&gt; &amp; " in text
    long = payloads.slack(many(50, text="&" * 300))["text"]
    assert len(long) <= 4_000
    assert long.endswith(" more")
    assert "&amp\n" not in long


def test_teams_gets_an_adaptive_card_within_its_size_without_markdown() -> None:
    body = payloads.teams(message("raised", text=EVIL))
    assert (body["type"], len(body["attachments"])) == ("message", 1)
    (attachment,) = body["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.2")
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}  # TextBlocks know Markdown, these don't
    assert {run["type"] for block in card["body"] for run in block["inlines"]} == {"TextRun"}
    assert EVIL in card["body"][1]["inlines"][0]["text"]
    assert len(msgspec.json.encode(payloads.teams(many(200, text="ü" * 900)))) < 28_000


SETTINGS = EmailSettings(host="m", sender="gw@plant.example", to=("ann@example.com", "bob@example.com"))


def test_a_mail_is_one_message_whoever_repeats_it_and_belongs_to_the_one_before() -> None:
    raised, cleared = (mail(message(what), SETTINGS, TS) for what in ("raised", "cleared"))
    assert raised["Message-ID"] == f"<{1:032x}@gw.holdfast>"
    assert cleared["In-Reply-To"] == cleared["References"] == raised["Message-ID"]
    assert cleared["Message-ID"] != raised["Message-ID"]
    assert (raised["Importance"], cleared["Importance"]) == ("high", None)
    assert raised["Date"] == "Fri, 20 Nov 2026 15:04:28 +0000"
    assert "alert: 1 at gw: `holdfast alerts ack NODE.YAML 1` acknowledges it" in raised.get_content()
    assert "acknowledges" not in cleared.get_content()


def test_no_text_of_an_alert_becomes_a_header() -> None:
    settings = msgspec.structs.replace(SETTINGS, subject="{message}", text="{message}")
    raw = mail(message("raised", text=EVIL), settings, TS).as_bytes()
    again = message_from_bytes(raw, policy=default)
    assert again["Bcc"] is None
    assert again["Subject"].startswith("<!channel> & ")
    assert again["To"] == "ann@example.com, bob@example.com"
    assert "Bcc: all@example.com" in again.get_content()


def test_a_template_fills_any_json_and_keeps_what_is_no_text() -> None:
    facts = message("raised", "raised").facts()
    wanted: dict[str, Any] = {"n": "{count}", "of": ["{device}: {message}", 3, None], "all": "{alerts}", "{x}": True}
    found = fill(wanted, facts)
    assert (found["n"], found["of"], found["{x}"]) == (2, ["d1: too hot", 3, None], True)
    assert [one["device"] for one in found["all"]] == ["d1", "d2"]
    assert fill_text("{{{count}}} {why}", facts) == '{2} {"values":{"t":7.5}}'


def test_every_place_that_is_allowed_can_be_filled_also_in_a_test() -> None:
    for one in (message("raised"), message("again", "both"), trial("gw", "ops", TS)):
        assert all(fill(f"{{{place}}}", one.facts()) is not None for place in PLACES)
