"""node.yaml: which parts of the program this node runs.

Relative paths are relative to the file's own folder. `builtin:NAME` names a profile or rule set that ships with
Holdfast.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct, field
from msgspec.structs import replace

from holdfast.adapters.bacnet.settings import BacnetSettings
from holdfast.adapters.ble.settings import BleSettings
from holdfast.adapters.broker.settings import BrokerSettings, filter_fault
from holdfast.adapters.coap.settings import CoapLink
from holdfast.adapters.host.settings import HostSettings
from holdfast.adapters.modbus.settings import ModbusSettings
from holdfast.adapters.mqtt.checks import addresses
from holdfast.adapters.mqtt.checks import findings as mqtt_findings
from holdfast.adapters.mqtt.settings import MqttSettings
from holdfast.adapters.mqtt.topics import matches
from holdfast.adapters.opcua.settings import OpcuaSettings
from holdfast.adapters.serial.settings import SerialSettings
from holdfast.artifacts.settings import ArtifactSettings
from holdfast.codecs.loading import BUILTIN as PROFILES
from holdfast.codecs.loading import load_profiles
from holdfast.codecs.profiles import Profile
from holdfast.commands.mqtt import Topics
from holdfast.commands.settings import RESULT, CommandSettings
from holdfast.devices.settings import DevicesSettings
from holdfast.documents.settings import DocumentsSettings
from holdfast.history.lake.settings import HistorySettings
from holdfast.identity.apps import AppSettings
from holdfast.identity.people.settings import PeopleSettings
from holdfast.ingest.settings import ChildrenSettings
from holdfast.intake.settings import IntakeSettings
from holdfast.journal.settings import JournalSettings
from holdfast.kernel.documents import Document, Problem, SettingsInvalid, load
from holdfast.model.message import QueueName
from holdfast.node.backup import BackupSettings
from holdfast.node.clock_settings import ClockSettings
from holdfast.node.edge.kinds import is_on
from holdfast.node.edge.profiles import edge_profiles
from holdfast.node.health import with_health
from holdfast.node.models.alerting import alert_rules, of_node_yaml, unknown_deployments
from holdfast.node.models.settings import ModelsSettings
from holdfast.node.rule_settings import RuleLimits
from holdfast.node.sent_reports import with_reports
from holdfast.node.shelf import FOLDER, Shelf, Sources, read_shelf
from holdfast.notify.planned import MaintenanceSettings
from holdfast.notify.planned import findings as maintenance_findings
from holdfast.notify.settings import AlertSettings, ChannelSettings, Escalation
from holdfast.notify.settings import findings as notify_findings
from holdfast.queues.settings import QueueSettings
from holdfast.queues.settings import findings as queue_findings
from holdfast.reporting.settings import TelemetrySettings
from holdfast.residency.settings import ResidencyRule, findings
from holdfast.routes.settings import RouteSettings
from holdfast.sites.settings import SiteSettings
from holdfast.stream.rules import BUILTIN as RULES
from holdfast.stream.rules import CompiledRule
from holdfast.transport.addresses import require_https
from holdfast.transport.errors import AddressInvalid
from holdfast.uplink.filtering.settings import findings as send_findings
from holdfast.uplink.settings import ParentSettings
from holdfast.web.settings import ApiSettings

if TYPE_CHECKING:
    from holdfast.node.models.planning import Work

BUILTIN = "builtin:"
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]


class NodeSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """node.yaml."""

    node: Name
    """The node's name: letters, digits, `.`, `_`, `-`; part of every series' name."""
    data: str = "data"
    """Folder of the journal and keys."""
    site: SiteSettings | None = None
    """What this place is called, and where it is."""
    mqtt: MqttSettings | None = None
    host: HostSettings | None = None
    api: ApiSettings | None = None
    devices: DevicesSettings = field(default_factory=DevicesSettings)
    profiles: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    rule_limits: RuleLimits = field(default_factory=RuleLimits)
    parent: ParentSettings | None = None
    children: ChildrenSettings | bool = False
    apps: dict[Name, AppSettings] = field(default_factory=dict)
    """Applications on site that may use this node's HTTP doors."""
    people: PeopleSettings | bool = False
    """Login for people; `true` = with its defaults, absent = this machine may do everything, nobody else anything."""
    documents: DocumentsSettings | None = None
    artifacts: ArtifactSettings = field(default_factory=ArtifactSettings)
    """Files named by their digests: models, as a rule."""
    clock: ClockSettings = field(default_factory=ClockSettings)
    intake: IntakeSettings = field(default_factory=IntakeSettings)
    journal: JournalSettings = field(default_factory=JournalSettings)
    backup: BackupSettings | None = None
    history: HistorySettings | bool = False
    """The site's memory in Parquet files; `true` = with its defaults."""
    queues: dict[QueueName, QueueSettings] = field(default_factory=dict)
    brokers: dict[Name, BrokerSettings] = field(default_factory=dict)
    """Foreign MQTT brokers that this node subscribes to."""
    bacnet: dict[Name, BacnetSettings] = field(default_factory=dict)
    """BACnet/IP networks, and the devices there that this node reads."""
    serial: dict[Name, SerialSettings] = field(default_factory=dict)
    """Instruments on serial ports and serial servers."""
    ble: dict[Name, BleSettings] = field(default_factory=dict)
    """Bluetooth LE advertisements."""
    modbus: dict[Name, ModbusSettings] = field(default_factory=dict)
    """Modbus devices, by link."""
    opcua: dict[Name, OpcuaSettings] = field(default_factory=dict)
    """OPC UA servers whose nodes are subscribed to."""
    routes: dict[Name, RouteSettings] = field(default_factory=dict)
    """What is published to which foreign MQTT broker."""
    coap: dict[Name, CoapLink] = field(default_factory=dict)
    """CoAP: devices that push to this node, and devices that it observes, polls and writes."""
    models: ModelsSettings | None = None
    """Models at work on readings."""
    channels: dict[Name, ChannelSettings] = field(default_factory=dict)
    """How people are told of alerts."""
    escalations: dict[Name, Escalation] = field(default_factory=dict)
    """Who is told after whom, until somebody acknowledges."""
    alerts: AlertSettings = field(default_factory=AlertSettings)
    """The book of alerts."""
    maintenance: dict[Name, MaintenanceSettings] = field(default_factory=dict)
    """Planned works: nobody is told of what they mean while they last."""
    region: str = ""
    """Where this node is, as in `eu-1`; absent = a region of its own."""
    residency: tuple[ResidencyRule, ...] = ()
    """What must stay here or in the region; the first rule that matches a series decides."""
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    """What the node tells of itself: its log, traces and metrics, and the collector that gets them."""
    commands: CommandSettings = field(default_factory=CommandSettings)
    """How commands reach devices, and who may send them."""
    residency_key: str = ""
    """File with the key of pseudonyms; absent = `residency.key` in `data`, made at the first start."""


@dataclass(frozen=True, slots=True)
class NodePlan:
    """Everything a node needs to know, read and checked; nothing opened yet. works: models to be at work."""

    settings: NodeSettings
    folder: Path
    profiles: tuple[Profile, ...]
    rules: tuple[CompiledRule, ...]
    shelf: Shelf = Shelf()  # noqa: RUF009  # frozen
    file: Path = Path("node.yaml")
    works: "tuple[Work, ...]" = ()

    @property
    def data(self) -> Path:
        """Where the journal lives."""
        return self.path(self.settings.data)

    @property
    def lines(self) -> tuple[CompiledRule, ...]:
        """What makes the models' features: they stand among the rules."""
        return tuple(work.line for work in self.works if work.line is not None)

    @property
    def children(self) -> ChildrenSettings | None:
        """Settings for children, when there are to be any."""
        if isinstance(self.settings.children, bool):
            return ChildrenSettings() if self.settings.children else None
        return self.settings.children

    @property
    def people(self) -> PeopleSettings | None:
        """Settings for people's login, when there is one."""
        found = self.settings.people
        return found if isinstance(found, PeopleSettings) else PeopleSettings() if found else None

    @property
    def history(self) -> HistorySettings | None:
        """Settings of the site's memory with absolute paths, when it's kept in files."""
        found = self.settings.history
        if isinstance(found, bool):
            return HistorySettings() if found else None
        if found.cold is None:
            return found
        return replace(found, cold=found.cold.resolved(self.settings.node, self.path))

    @property
    def rule_files(self) -> list[Path]:
        """The files that `rules` names."""
        texts = self.settings.rules
        return [
            RULES / f"{text.removeprefix(BUILTIN)}.yaml" if text.startswith(BUILTIN) else self.path(text)
            for text in texts
        ]

    @property
    def rule_sources(self) -> Sources:
        """Where rules lie: those files, and what was made from the page."""
        return Sources(self.rule_files, self.data / FOLDER, alert_rules(self.settings.models, self.file))

    def ports(self) -> list[tuple[str, int]]:
        """Every (host, port) that the node listens on."""
        mqtt, api = self.settings.mqtt, self.settings.api
        found = [*(addresses(mqtt) if mqtt is not None else ()), *([api.address] if api is not None else ())]
        return [(address.host, address.port) for address in found]

    def path(self, text: str) -> Path:
        """A path of node.yaml, absolute."""
        return (self.folder / text).absolute()


def read_plan(path: Path) -> NodePlan:
    """Read node.yaml with the profiles and rules it names.

    Raises:
        SettingsInvalid: with every problem of all files at once.
    """
    document = load(path, NodeSettings)
    settings, folder = document.value, path.absolute().parent
    problems = list(_contradictions(document))
    profiles: Sequence[Profile] = ()
    shelf = Shelf()
    try:
        profiles = [*load_profiles(_profiles(document, problems)), *edge_profiles(document, problems)]
    except SettingsInvalid as invalid:
        problems += invalid.problems
    try:
        shelf = _rules(document, problems)
        problems += foreign_words(document.value, [*shelf.at_work, *shelf.off])
    except SettingsInvalid as invalid:
        problems += of_node_yaml(document, invalid.problems)
    works = _works(document, problems)
    if problems:
        raise SettingsInvalid(problems)
    plan = with_reports(with_health(settings))
    return NodePlan(plan, folder, tuple(profiles), shelf.at_work, shelf, path.absolute(), works)


def _profiles(document: Document[NodeSettings], problems: list[Problem]) -> list[Path]:
    """The files of `profiles`, and that of the node's own readings where it makes some."""
    files = _files(document, "profiles", PROFILES, problems)
    own = PROFILES / "node.yaml"
    return [*files, own] if document.value.telemetry.metrics is not None and own not in files else files


def _rules(document: Document[NodeSettings], problems: list[Problem]) -> Shelf:
    files = _files(document, "rules", RULES, problems)
    path, value = document.path.absolute(), document.value
    return read_shelf(Sources(files, path.parent / value.data / FOLDER, alert_rules(value.models, path)))


def _works(document: Document[NodeSettings], problems: list[Problem]) -> "tuple[Work, ...]":
    if document.value.models is None:
        return ()
    from holdfast.node.models.planning import works_of  # noqa: PLC0415  # for those with models

    return works_of(document, problems)


def foreign_words(settings: NodeSettings, rules: Sequence[CompiledRule]) -> Iterator[Problem]:
    """Channels, escalations and models that rules name and node.yaml doesn't have."""
    yield from unknown_deployments(settings.models, rules)
    for notice in (notice for rule in rules for notice in rule.notices):
        place = notice.place
        if notice.channel and notice.channel not in settings.channels:
            yield dataclasses.replace(
                place, message=f"there is no channel `{notice.channel}` in `channels` of node.yaml"
            )
        if notice.escalation and notice.escalation not in settings.escalations:
            said = f"there is no escalation `{notice.escalation}` in `escalations` of node.yaml"
            yield dataclasses.replace(place, message=said)


def _files(document: Document[NodeSettings], key: str, shipped: Path, problems: list[Problem]) -> list[Path]:
    names = sorted(f.stem for f in shipped.glob("*.yaml"))
    files = []
    for i, text in enumerate(getattr(document.value, key)):
        if not text.startswith(BUILTIN):
            files.append(document.path.absolute().parent / text)
        elif text.removeprefix(BUILTIN) in names:
            files.append(shipped / f"{text.removeprefix(BUILTIN)}.yaml")
        else:
            known = ", ".join(BUILTIN + name for name in names)
            problems.append(document.problem((key, i), f"there is no {text}; there are {known}"))
    return files


def _contradictions(document: Document[NodeSettings]) -> list[Problem]:
    settings, problems = document.value, []
    if settings.api is not None:
        problems += [document.problem(("api", *where), text) for where, text in settings.api.findings()]
    if settings.mqtt is not None:
        problems += [document.problem(("mqtt", *where), text) for where, text in mqtt_findings(settings.mqtt)]
    found = queue_findings(settings.queues, settings.apps)
    problems += [document.problem(where, text) for where, text in found]
    problems += [document.problem(where, text) for where, text in settings.devices.findings()]
    if settings.parent is not None:
        try:
            require_https(settings.parent.url)
        except AddressInvalid as error:
            problems.append(document.problem(("parent", "url"), str(error)))
        problems += [document.problem(where, text) for where, text in send_findings(settings.parent.send)]
    problems += [document.problem(where, text) for where, text in findings(settings.residency, settings.region)]
    problems += [
        document.problem((key, name, *where), text)
        for key, parts in (("brokers", settings.brokers), ("routes", settings.routes))
        for name, part in parts.items()
        for where, text in part.findings()
    ]
    if settings.journal.stay.when_full == "summarise":
        said = "what stays is never summarised: write `shed` or `refuse`"
        problems.append(document.problem(("journal", "stay", "when_full"), said))
    if _needs_profiles(settings) and not settings.profiles:
        problems.append(document.problem((), "`profiles` is missing: without one no message can become readings"))
    if settings.children and (settings.api is None or settings.api.tls is None):
        said = "children need `api` with `tls`: sync never goes over plain HTTP"
        problems.append(document.problem(("children",), said))
    problems += [
        document.problem(where, text) for where, text in notify_findings(settings.channels, settings.escalations)
    ]
    problems += [document.problem(where, text) for where, text in maintenance_findings(settings.maintenance)]
    problems += [
        *_contradictory_reports(document),
        *_contradictory_people(document),
        *_contradictory_models(document),
        *_contradictory_commands(document),
    ]
    return problems + list(_contradictory_documents(document))


def _needs_profiles(settings: NodeSettings) -> bool:
    """Do messages come here? Adapters with maps of their own bring profiles."""
    by_http = any(app.intake for app in settings.apps.values())
    has_some = settings.mqtt is not None or settings.host is not None or bool(settings.brokers) or by_http
    return has_some and not is_on(settings)


def _contradictory_reports(document: Document[NodeSettings]) -> Iterator[Problem]:
    settings = document.value
    found = settings.telemetry.findings(
        is_encrypted=settings.journal.key is not None,
        has_residency=bool(settings.residency),
        has_parent=settings.parent is not None,
    )
    for where, text in found:
        yield document.problem(("telemetry", *where), text)


def _contradictory_people(document: Document[NodeSettings]) -> Iterator[Problem]:
    settings = document.value
    if settings.people and settings.api is None:
        yield document.problem(("people",), "people need `api`: they come over HTTP")
    if isinstance(settings.people, PeopleSettings):
        for where, text in settings.people.findings():
            yield document.problem(("people", *where), text)
    if not settings.people and settings.api is not None and settings.api.metrics == "login":
        yield document.problem(("api", "metrics"), "`people` is missing: nobody could log in")


def _contradictory_models(document: Document[NodeSettings]) -> Iterator[Problem]:
    if document.value.models is not None:
        for where, text in document.value.models.findings(has_parent=document.value.parent is not None):
            yield document.problem(("models", *where), text)


def _contradictory_commands(document: Document[NodeSettings]) -> Iterator[Problem]:
    settings = document.value
    if settings.commands.from_parent and settings.parent is None:
        yield document.problem(("commands", "from_parent"), "there is no `parent` that could command")
    if settings.commands.local and settings.mqtt is None:
        yield document.problem(("commands", "local"), "`mqtt` is missing: there is nobody who could publish a command")
    answers = Topics(settings.commands.topic, settings.node)
    example = answers.of("device", "id") + RESULT
    for i, bus in enumerate(settings.mqtt.bus if settings.mqtt is not None else ()):
        if matches(bus, example) or matches(bus, "command/device/name"):
            yield document.problem(("mqtt", "bus", i), "messages of the bus are not stored: commands must not be there")


def _contradictory_documents(document: Document[NodeSettings]) -> Iterator[Problem]:
    settings = document.value
    if settings.apps and settings.api is None:
        yield document.problem(("apps",), "applications need `api`: they come over HTTP")
    if settings.documents is not None and settings.documents.up and settings.parent is None:
        yield document.problem(("documents", "up"), "there is no `parent` to exchange documents with")
    if settings.documents is not None and settings.documents.children and not settings.children:
        yield document.problem(("documents", "children"), "`children` are off: there is nobody to exchange with")
    for name, app in settings.apps.items():
        for i, topic_filter in enumerate(app.intake):
            if fault := filter_fault(topic_filter):
                yield document.problem(("apps", name, "intake", i), fault)
        if app.documents and settings.documents is None:
            yield document.problem(("apps", name, "documents"), "`documents` is missing: this node keeps none")
