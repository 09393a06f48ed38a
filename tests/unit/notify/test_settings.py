"""Channels as people write them in node.yaml: what's wrong is said with its line and what to do."""

from pathlib import Path

import pytest

from holdfast.kernel.documents import SettingsInvalid
from holdfast.node.settings import read_plan

RULES = """rules:
  hot:
    select: a.b
    when: a.b > 1
    do:
      - notify: ops
      - notify: {channel: night, on: raised, message: "{device} {a.b:.1f}"}
      - escalate: hard
"""
GOOD = """node: gw
channels:
  ops: {webhook: {url: "https://x/y", headers: {Authorization: {env: T}}, body: {text: "{message}", n: "{count}"}}}
  night: {email: {host: mail, user: u, password: {file: p}, from: a@b.c, to: [d@e.f]}, takes: {rules: [c-*]}}
  phone: {ntfy: {url: "https://ntfy.sh", topic: {env: TOPIC}}, repeat: 4h, group: {by: [rule], wait: 10s}}
  team: {teams: {url: {file: teams.url}}, rate: {messages: 10, per: 1m}, over: drop}
escalations:
  hard: [{channel: ops}, {after: 10m, channel: night}]
  all: {steps: [{channel: phone}], takes: {severity: [critical]}}
rules: [r.yaml]
"""


def problems(folder: Path, text: str, rules: str = RULES) -> list[str]:
    (folder / "node.yaml").write_text(text)
    (folder / "r.yaml").write_text(rules)
    try:
        read_plan(folder / "node.yaml")
    except SettingsInvalid as invalid:
        return [str(problem).removeprefix(f"{folder}/") for problem in invalid.problems]
    return []


def test_what_people_write_is_understood(tmp_path: Path) -> None:
    assert problems(tmp_path, GOOD) == []
    plan = read_plan(tmp_path / "node.yaml")
    channels = plan.settings.channels
    assert [one.kind for one in channels.values()] == ["webhook", "email", "ntfy", "teams"]
    assert channels["night"].email is not None
    assert (channels["night"].email.at_port, channels["phone"].repeat) == (587, 4 * 3_600.0)
    (rule,) = plan.rules
    assert [(one.channel, one.escalation, sorted(one.kinds)) for one in rule.notices] == [
        ("ops", "", ["alert.cleared", "alert.raised"]),
        ("night", "", ["alert.raised"]),
        ("", "hard", ["alert.raised"]),
    ]
    assert rule.actions == ()


def test_a_rules_channel_that_is_not_there_is_told_with_the_rules_line(tmp_path: Path) -> None:
    found = problems(tmp_path, "node: gw\nrules: [r.yaml]\n")
    assert found == [
        "r.yaml:6: rules.hot.do.0.notify: there is no channel `ops` in `channels` of node.yaml",
        "r.yaml:7: rules.hot.do.1.notify: there is no channel `night` in `channels` of node.yaml",
        "r.yaml:8: rules.hot.do.2.escalate: there is no escalation `hard` in `escalations` of node.yaml",
    ]


@pytest.mark.parametrize(
    ("do", "said"),
    [
        ("{notify: ops, publish: a}", "an action is one of"),
        ("{notify: ops, on: raised}", "`on` and `payload` beside it belong to a `publish`"),
        ('{notify: {channel: ops, message: "{nope}"}}', "`{nope}` is unknown"),
        ("{notify: {chanel: ops}}", "did you mean `channel`?"),
        ("{escalate: ''}", "an action is one of"),
    ],
)
def test_an_action_that_makes_no_sense_is_refused(tmp_path: Path, do: str, said: str) -> None:
    rules = f"rules:\n  hot:\n    select: a.b\n    when: a.b > 1\n    do: [{do}]\n"
    found = problems(tmp_path, GOOD, rules)
    assert found
    assert found[0].startswith("r.yaml:5: rules.hot.do")
    assert any(said in one for one in found)


@pytest.mark.parametrize(
    ("channel", "said"),
    [
        ("{}", "channels.c: a channel is exactly one of `webhook`, `email`, `ntfy`, `slack`, `teams`"),
        ("{slack: {url: 'https://x'}, teams: {url: 'https://x'}}", "a channel is exactly one of"),
        ("{slack: {url: 'http://chat'}}", "channels.c.slack.url: http:// to chat can be read on the way"),
        ("{slack: {url: 'ftp://chat'}}", "channels.c.slack.url: expected https://"),
        ("{slack: {url: 'https://me:pw@chat'}}", "with no user or password in it"),
        ("{slack: {url: {file: a, env: B}}}", "channels.c.slack.url: write one of `file` and `env`"),
        ("{webhook: {url: 'https://x', headers: {'a b': c}}}", "is no name of an HTTP header"),
        ("{webhook: {url: 'https://x', body: {a: ['{nope}']}}}", "body.a.0: `{nope}` can't stand here; allowed"),
        ("{webhook: {url: 'https://x', body: {a: '{'}}}", "body.a: isn't a template"),
        ("{webhook: {url: 'https://x', body: {a: 2026-01-01}}}", "body.a: date isn't JSON: put it in quotes"),
        ("{email: {host: m, from: a@b, to: []}}", "channels.c.email.to: name at least one recipient"),
        ("{email: {host: m, from: ann, to: [a@b]}}", "channels.c.email.from: `ann` is no address"),
        ("{email: {host: m, from: a@b, to: [a@b], user: u}}", "`user` and `password` belong together"),
        ("{email: {host: m, from: a@b, to: [a@b], user: u, password: p, tls: none}}", "could be read on the way"),
        ("{slack: {url: 'https://x'}, retry_min: 2m}", "channels.c.retry_max: must not be below `retry_min`"),
        ("{slack: {url: 'https://x'}, timeout: 0s}", "channels.c.timeout: must be above 0"),
        ("{slack: {url: 'https://x'}, rate: {per: 0s}}", "channels.c.rate.per: must be above 0"),
        ("{slack: {url: 'https://x'}, on: cleared, repeat: 1h}", "channels.c.repeat: "),
        (
            "{slack: {url: 'https://x'}, takes: {severity: [dire]}}",
            "channels.c.takes.severity.0: expected one of critical",
        ),
        ("{slack: {url: 'https://x'}, group: {by: [colour]}}", "channels.c.group.by.0: expected one of device"),
    ],
)
def test_what_contradicts_itself_is_refused(tmp_path: Path, channel: str, said: str) -> None:
    (found,) = problems(tmp_path, f"node: gw\nchannels:\n  c: {channel}\n")
    assert found.startswith("node.yaml:3: ")
    assert said in found


@pytest.mark.parametrize(
    ("escalation", "said"),
    [
        ("[]", "escalations.e: an escalation has at least one step"),
        ("[{channel: d}]", "escalations.e.0.channel: there is no channel `d` in `channels`"),
        ("[{channel: c, after: 2m}, {channel: c, after: 1m}]", "escalations.e.1.after: steps stand in order"),
        ("{steps: [{channel: d}]}", "escalations.e.steps.0.channel: there is no channel `d`"),
    ],
)
def test_an_escalation_that_cannot_be_is_refused(tmp_path: Path, escalation: str, said: str) -> None:
    text = f"node: gw\nchannels:\n  c: {{slack: {{url: 'https://x'}}}}\nescalations:\n  e: {escalation}\n"
    (found,) = problems(tmp_path, text)
    assert found.startswith("node.yaml:5: ")
    assert said in found
