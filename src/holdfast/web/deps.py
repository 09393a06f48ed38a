"""What the web room needs of a node, as narrow callables. All are called on the loop's thread."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from holdfast.adapters.http.intake import HttpIntake
from holdfast.adapters.port import DeviceState
from holdfast.adapters.supervised import AdapterStatus
from holdfast.artifacts.service import Artifacts
from holdfast.backtesting.service import Backtests, Run
from holdfast.commands.below import Below
from holdfast.commands.service import CommandService
from holdfast.devices.below import Below as DevicesBelow
from holdfast.documents.settings import DocumentsSettings
from holdfast.history.lake.health import MemoryStatus
from holdfast.history.last_values import LastValues
from holdfast.history.latest import Latest
from holdfast.history.query import History
from holdfast.history.sql_desk import SqlDesk
from holdfast.journal.ledger import Ledger
from holdfast.journal.queued import Depth, Queued, StreamMark
from holdfast.journal.queues import Failure, Taken
from holdfast.kernel.clock import Clock
from holdfast.model.event import Event
from holdfast.model.message import Message
from holdfast.model.series import Catalogue
from holdfast.notify.service import NotifyService
from holdfast.queues.service import Handed
from holdfast.reporting.service import ReportService
from holdfast.residency.report import Report
from holdfast.sites.acts import ActsBelow
from holdfast.storage.sqlite import Connection
from holdfast.telemetry.happenings import Telemetry
from holdfast.web.answers import ClockStatus, Status
from holdfast.web.device_answers import DeviceChange, DeviceChanged, DeviceDetail, DeviceRow
from holdfast.web.flow_answers import Flow, Room
from holdfast.web.guard import Door
from holdfast.web.model_port import ModelsPort
from holdfast.web.quarantine_port import Refusals
from holdfast.web.rule_answers import BacktestWish, RuleChanged, RuleDetail, RuleList, RulesReloaded, TextChecked
from holdfast.web.site_answers import SiteRow
from holdfast.wire.asking import Ask, Poll
from holdfast.wire.looking import Call, CallReply
from holdfast.wire.messages import BatchReply, Fetch, Hello, Welcome
from holdfast.wire.sites import SiteTold

if TYPE_CHECKING:  # importing it loads pycrdt
    from holdfast.documents.keeper import Keeper


@dataclass(frozen=True, slots=True)
class Past:
    """What may be asked about the past. Blocking but for `known`; called on worker threads.

    known:     newest readings in memory, on the loop's thread
    patience_s: how long a question may take
    """

    history: History
    latest: Latest
    known: LastValues
    patience_s: float = 30.0


class Ingest(Protocol):
    """`ingest.service.IngestService`. May be called for several children, and several times for one, at once."""

    async def hello(self, child: str, hello: Hello) -> Welcome:
        """Open a session for the child that the token stands for."""
        ...

    async def batch(self, child: str, body: bytes) -> BatchReply:
        """Apply a batch exactly once; raises `WireError` when the bytes are malformed."""
        ...

    async def fetch(self, child: str, wanted: Fetch) -> bytes | None:
        """Rows that the child sent once, as the body of a batch; None when not all are here."""
        ...


class Asking(Protocol):
    """Questions to a child, and from one; `node.asking.Asking`. Called for several children at once."""

    async def poll(self, child: str, poll: Poll) -> Ask | None:
        """The next question for the child, waited for; None when none came.

        Raises:
            Refused: when the child must say hello first, or no more polls may be open.
        """
        ...

    def answered(self, child: str, number: str, body: bytes) -> bool:
        """Take a child's answer; False when nobody waits for it."""
        ...

    async def ask(self, child: str, ask: Ask) -> bytes:
        """Answer a child about what came from it or through it."""
        ...


@dataclass(frozen=True, slots=True)
class Children:
    """The door for children. who: whom a bearer token stands for, None = nobody; asking: None = no questions here."""

    who: Callable[[str], str | None]
    ingest: Ingest
    max_body: int
    asking: Asking | None = None


class MessageQueues(Protocol):
    """`queues.service.QueueService`. `depths` and `dead_letters` block and are called on worker threads."""

    async def put(self, messages: Sequence[Message], after: StreamMark | None) -> Taken:
        """Take messages of one stream; raises `PutForked`, `QueueCrowded`, `QueueBusy`."""
        ...

    async def lease(self, app: str, queue: str, most: int, wait_s: float) -> Handed:
        """Messages that are free, in order; waits for the first."""
        ...

    async def ack(self, app: str, queue: str, lease: str, places: Sequence[int]) -> int:
        """These are done; raises `LeaseOver`."""
        ...

    async def nack(self, app: str, queue: str, lease: str, failure: Failure, *, counts: bool = True) -> bool:
        """This one came to nothing; raises `LeaseOver`. Is it dead now?"""
        ...

    def depths(self) -> list[Depth]:
        """Every queue consumed here."""
        ...

    def dead_letters(self, queue: str, after: int, limit: int) -> list[Queued]:
        """Dead letters above a place, oldest first."""
        ...

    async def revive(self, queue: str, places: Sequence[int] | None) -> int:
        """Let dead letters wait again; None = all."""
        ...

    async def drop(self, queue: str, places: Sequence[int] | None) -> int:
        """Throw dead letters away; None = all."""
        ...


@dataclass(frozen=True, slots=True)
class Applications:
    """The door for applications. who: whom a token stands for; puts, consumes: what each may do with which queues."""

    node: str
    who: Callable[[str], str | None]
    names: frozenset[str]
    puts: dict[str, frozenset[str]]
    consumes: dict[str, frozenset[str]]
    queues: MessageQueues


@dataclass(frozen=True, slots=True)
class Commands:
    """Commands to devices. who: which application a token stands for; may: may it command a device?

    look: reads the journal's tables; blocking; below: None = this node takes no children
    """

    node: str
    service: CommandService
    look: Callable[[Callable[[Connection], Any]], Any]
    who: Callable[[str], str | None]
    may: Callable[[str, str], bool]
    below: Below | None = None


@dataclass(frozen=True, slots=True)
class Intake:
    """Messages of devices.

    who:     which application a token stands for; may: may it send on a topic?
    picture: the bytes of the largest picture that is taken on a topic; 0 = it isn't one for pictures
    """

    who: Callable[[str], str | None]
    may: Callable[[str, str], bool]
    intake: HttpIntake
    picture: Callable[[str], int] = lambda _topic: 0


@dataclass(frozen=True, slots=True)
class Alerting:
    """Alerts and who is told of them. look: reads the journal's tables; blocking. below: None = nobody is."""

    service: NotifyService
    look: Callable[[Callable[[Connection], Any]], Any]
    below: ActsBelow | None = None


@dataclass(frozen=True, slots=True)
class AppDocuments:
    """Shared documents, and the door for applications.

    who: which application a bearer token stands for, None = none; may: may this application use a document?
    """

    who: Callable[[str], str | None]
    may: Callable[[str, str], bool]
    keeper: "Keeper"
    settings: DocumentsSettings


@dataclass(frozen=True, slots=True)
class ArtifactDoor:
    """The artifacts of a node, and its door. who: which child a bearer token stands for."""

    artifacts: Artifacts
    who: Callable[[str], str | None]


class DeviceBook(Protocol):
    """`node.devices.Book`: this node's devices, and those of its children, which are only looked at."""

    def rows(self) -> list[DeviceRow]:
        """All, by node and name."""
        ...

    def children_series(self) -> list[int]:
        """Series of children's devices."""
        ...

    async def detail(self, name: str, node: str) -> DeviceDetail:
        """One by any of its names; node: empty = this one. Raises `DeviceUnknown`."""
        ...

    async def change(self, wanted: DeviceChange) -> DeviceChanged:
        """Do it; raises `DeviceError`, and nothing has changed then."""
        ...


class RuleEditing(Protocol):
    """`node.rule_editor.RuleEditor`. Its methods raise `RuleRefused` or `StorageUnusable`, and nothing has changed."""

    async def detail(self, name: str) -> RuleDetail:
        """A rule with its text and versions."""
        ...

    async def put(self, name: str, text: str, revision: str, by: str, *, on: bool | None) -> RuleChanged:
        """Make or change a rule of the page."""
        ...

    async def switch(self, name: str, revision: str, by: str, *, on: bool) -> RuleChanged:
        """Switch a rule on or off."""
        ...

    async def remove(self, name: str, revision: str, by: str) -> RuleChanged:
        """Remove a rule of the page."""
        ...

    async def undo(self, name: str, revision: str, by: str) -> RuleChanged:
        """Take the latest change back."""
        ...


class RuleTrying(Protocol):
    """`node.rule_trials.RuleTrials`."""

    @property
    def backtests(self) -> Backtests:
        """Those that run or ran."""
        ...

    async def check(self, text: str) -> TextChecked:
        """What a text does, or what is wrong with it."""
        ...

    async def begin(self, wish: BacktestWish, from_ns: int, to_ns: int, by: str) -> Run:
        """Begin a backtest; raises `TextInvalid`, `RuleUnknown`, `BacktestBusy`."""
        ...


class SiteDesk(Protocol):
    """`node.sites.Desk`: the nodes below, and looks at them. Loop thread only."""

    async def here(self) -> SiteRow:
        """This node."""
        ...

    async def rows(self) -> list[SiteRow]:
        """All below, by name of the node."""
        ...

    async def row(self, node: str) -> SiteRow | None:
        """One of them; None = it isn't known."""
        ...

    async def look(self, node: str, call: Call) -> CallReply:
        """What the site's own page says now; raises `SiteUnreached`."""
        ...

    def take(self, teller: str, rows: Sequence[SiteTold]) -> bool:
        """A child tells; does this node lack something that the rows build on?"""
        ...


class RuleBook(Protocol):
    """`node.rulebook.RuleBook`."""

    @property
    def editor(self) -> RuleEditing:
        """Changes rules."""
        ...

    @property
    def trials(self) -> RuleTrying:
        """Tries rules."""
        ...

    async def listed(self) -> RuleList:
        """Every rule with its state and cost."""
        ...

    async def reload(self) -> RulesReloaded:
        """Read the files now; calls wait for one another."""
        ...


@dataclass(frozen=True, slots=True)
class WebDeps:
    """Everything the app may ask.

    past:        answers about readings
    ledger:      the conservation law; True = count the rows in the file; blocking
    events:      the latest alerts, newest first; blocking
    quarantine:  refused messages: looked at, and decoded again
    readiness:   what stands against sending traffic here, empty = ready
    timekeeping: the wall clock, and so many of the devices that are farthest from it
    residency:   the audit of these days (since 1970 UTC, inclusive); blocking
    flow:        how rows flow to the parent and from children; blocking
    storage:     the room that rows take; blocking
    counters:    the journal's committed counters, for /metrics
    memory:      what the site's memory holds; blocking; None: this node keeps none in files
    children:    None: this node takes no children, and the sync paths don't exist
    apps:        None: this node has no queues, and their paths don't exist
    devices:     who sends to this node; None: nobody is asked, as in a part's test
    adapters:    how the adapters are; adapter_devices: the devices of one, None = it has none of its own
    documents:   None: this node keeps no shared documents, and their paths don't exist
    commands, alerting, intake: None: there are no paths for these, as in a part's test
    door:        who may do what; None: as where nobody logs in, and nothing is written down
    audit:       reads the journal's tables for the audit; blocking; None: nobody asks, as in a part's test
    artifacts:   None: there are no paths for them, as in a part's test
    below:       what children tell of their devices; None: this node takes no children
    rules, sql:  None: nobody is asked, as in a part's test
    models:      None: this node has no models
    reporting:   the kept log and traces; None: there are no paths for them, as in a part's test
    sees:        of these series' ids those that whoever asks may know of; None: all
    sites:       None: this node takes no children, and the paths don't exist
    """

    clock: Clock
    telemetry: Telemetry
    catalogue: Catalogue
    past: Past
    status: Callable[[], Status]
    ledger: Callable[[bool], Ledger]
    events: Callable[[int], list[Event]]
    residency: Callable[[int, int], Report]
    quarantine: Refusals
    readiness: Callable[[], list[str]]
    counters: Callable[[], Mapping[str, int]]
    flow: Callable[[], Flow]
    storage: Callable[[], Room]
    timekeeping: Callable[[int], ClockStatus]
    memory: Callable[[], MemoryStatus] | None = None
    children: Children | None = None
    apps: Applications | None = None
    documents: AppDocuments | None = None
    devices: DeviceBook | None = None
    adapters: Callable[[], list[AdapterStatus]] = list
    adapter_devices: Callable[[str], list[DeviceState] | None] = lambda _: None
    commands: Commands | None = None
    below: DevicesBelow | None = None
    rules: RuleBook | None = None
    models: ModelsPort | None = None
    alerting: Alerting | None = None
    reporting: ReportService | None = None
    sees: Callable[[NDArray[np.int32]], NDArray[np.int32]] | None = None
    sites: "SiteDesk | None" = None
    sql: SqlDesk | None = None
    door: Door | None = None
    intake: Intake | None = None
    audit: Callable[[Callable[[Connection], Any]], Any] | None = None
    artifacts: ArtifactDoor | None = None
