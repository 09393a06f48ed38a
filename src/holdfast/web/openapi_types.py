"""What each handler takes and says, for the API's description: names of structs, looked up when it's written.

A name without dots after the module is in `holdfast.web`; `*` before it means a list. A handler that isn't here is
described without shapes; tests/architecture finds the ones that should be, and names that are gone.
"""

from typing import NamedTuple

BYTES, TEXT = "application/octet-stream", "text/plain"


class Spoken(NamedTuple):
    """says: the answer; takes: the body; media: of the answer, where it isn't JSON; status: of success."""

    says: str = ""
    takes: str = ""
    media: str = "application/json"
    status: int = 200


_ARTIFACT = "artifacts.entries:Entry"
_RUNS = "rule_answers:BacktestRun"
_CHANGED = "rule_answers:RuleChanged"
_COMMAND = "commands:CommandRow"
_LIVES = "inference.lifecycle."
_MODEL, _WISH = f"{_LIVES}status:ActDone", f"{_LIVES}status:ActBody"
_TAKEN = "adapters.http.intake:Taken"
SPOKEN: dict[str, Spoken] = {
    "AlertActs.act": Spoken("alert_acts:ActRow", "alert_acts:ActRequest", status=202),
    "AlertStories.comment": Spoken("alert_stories:TimelineRow", "alert_stories:CommentRequest", status=201),
    "AlertStories.comments": Spoken("*alert_stories:TimelineRow"),
    "AlertStories.one": Spoken("alert_stories:AlertDetail"),
    "AlertStories.timeline": Spoken("*alert_stories:TimelineRow"),
    "Alerts.acknowledge": Spoken("alerts:AlertRow", "alerts:AckRequest"),
    "Alerts.channels": Spoken("*alerts:ChannelRow"),
    "Alerts.label": Spoken("alerts:LabelRow", "alerts:LabelRequest"),
    "Alerts.labels": Spoken("*alerts:LabelRow"),
    "Alerts.page": Spoken("*alerts:AlertRow"),
    "Alerts.silence": Spoken("alerts:SilenceRow", "alerts:SilenceRequest", status=201),
    "Alerts.silences": Spoken("*alerts:SilenceRow"),
    "Alerts.test": Spoken("alerts:TestReply"),
    "Alerts.unsilence": Spoken("alerts:Gone"),
    "Analytics.about": Spoken("analytics:AnalyticsAbout"),
    "Analytics.ask": Spoken("analytics:AnalyticsAnswer", "analytics:AnalyticsQuestion"),
    "ArtifactRoutes.fetch": Spoken("artifacts:ArtifactWanted", status=202),
    "ArtifactRoutes.list": Spoken("artifacts:ArtifactList"),
    "ArtifactRoutes.pin": Spoken(_ARTIFACT, "artifacts:ArtifactPin"),
    "ArtifactRoutes.put": Spoken(_ARTIFACT, status=201),
    "ArtifactRoutes.read": Spoken(media=BYTES),
    "ArtifactRoutes.remove": Spoken(_ARTIFACT),
    "CommandRoutes.all": Spoken(f"*{_COMMAND}"),
    "CommandRoutes.any": Spoken(_COMMAND),
    "CommandRoutes.one": Spoken(_COMMAND),
    "CommandRoutes.past": Spoken(f"*{_COMMAND}"),
    "CommandRoutes.send": Spoken(_COMMAND, "commands.asking:CommandBody", status=202),
    "Devices.change": Spoken("device_answers:DeviceChanged", "device_answers:DeviceChange"),
    "Devices.list": Spoken("device_answers:DeviceList"),
    "Devices.show": Spoken("device_answers:DeviceDetail"),
    "Documents.edit": Spoken("documents:Edited"),
    "Documents.names": Spoken("*documents:DocumentRow"),
    "Documents.read": Spoken(media=BYTES),
    "IntakeRoutes.chirpstack": Spoken(_TAKEN),
    "IntakeRoutes.influx_1": Spoken(status=204),
    "IntakeRoutes.influx_2": Spoken(status=204),
    "IntakeRoutes.many": Spoken(_TAKEN),
    "IntakeRoutes.one": Spoken(_TAKEN),
    "IntakeRoutes.the_things": Spoken(_TAKEN),
    "Maintenance.end": Spoken("alerts:Gone"),
    "Maintenance.page": Spoken("*maintenance:MaintenanceRow"),
    "Maintenance.plan": Spoken("maintenance:MaintenanceRow", "maintenance:MaintenanceRequest", status=201),
    "Models.canary": Spoken(_MODEL, _WISH),
    "Models.detail": Spoken("model_answers:ModelDetail"),
    "Models.label": Spoken(f"{_LIVES}labels:Label", f"{_LIVES}status:LabelBody", status=201),
    "Models.labels": Spoken(f"{_LIVES}status:LabelList"),
    "Models.list": Spoken("model_answers:ModelList"),
    "Models.load": Spoken(_MODEL, _WISH),
    "Models.promote": Spoken(_MODEL, _WISH),
    "Models.relearn": Spoken("model_answers:ModelDetail", _WISH),
    "Models.retire": Spoken(_MODEL, _WISH),
    "Models.rollback": Spoken(_MODEL, _WISH),
    "Models.shadow": Spoken(_MODEL, _WISH),
    "OpenApi.show": Spoken(),
    "PeopleRoutes.audit": Spoken("people_answers:AuditPage"),
    "PeopleRoutes.change": Spoken("people_answers:PeopleChanged", "people_answers:PeopleChange"),
    "PeopleRoutes.kiosk": Spoken("people_answers:Me", "people_answers:KioskRequest"),
    "PeopleRoutes.list": Spoken("people_answers:PeopleList"),
    "PeopleRoutes.login": Spoken("people_answers:Me", "people_answers:LoginRequest"),
    "PeopleRoutes.logout": Spoken("people_answers:Me"),
    "PeopleRoutes.me": Spoken("people_answers:Me"),
    "PeopleRoutes.password": Spoken("people_answers:PeopleChanged", "people_answers:PasswordRequest"),
    "Quarantine.list": Spoken("*answers:QuarantinedMessage"),
    "Quarantine.replay": Spoken("intake.replay:Replayed", "answers:ReplayRequest"),
    "Quarantine.show": Spoken("answers:QuarantinedDetail"),
    "Queues.ack": Spoken("messages:AckReply", "messages:AckRequest"),
    "Queues.bury": Spoken("messages:DeadReply", "messages:DeadRequest"),
    "Queues.dead": Spoken("*messages:DeadLetter"),
    "Queues.depths": Spoken("*messages:QueueRow"),
    "Queues.lease": Spoken("messages:LeaseReply", "messages:LeaseRequest"),
    "Queues.nack": Spoken("messages:NackReply", "messages:NackRequest"),
    "Queues.put": Spoken("messages:PutReply", "messages:PutRequest"),
    "Reading.events": Spoken("*model.event:Event"),
    "Reading.query": Spoken("history.answers:Answer"),
    "Reports.logs": Spoken("report_answers:LogAnswer"),
    "Reports.trace": Spoken("report_answers:TraceAnswer"),
    "Reports.traces": Spoken("report_answers:TraceList"),
    "Rules.backtest": Spoken(_RUNS, "rule_answers:BacktestWish"),
    "Rules.backtested": Spoken(_RUNS),
    "Rules.cancel": Spoken(_RUNS),
    "Rules.check": Spoken("rule_answers:TextChecked", "rule_answers:RuleText"),
    "Rules.detail": Spoken("rule_answers:RuleDetail"),
    "Rules.disable": Spoken(_CHANGED, "rule_answers:RuleSwitch"),
    "Rules.enable": Spoken(_CHANGED, "rule_answers:RuleSwitch"),
    "Rules.list": Spoken("rule_answers:RuleList"),
    "Rules.put": Spoken(_CHANGED, "rule_answers:RulePut"),
    "Rules.reload": Spoken("rule_answers:RulesReloaded"),
    "Rules.remove": Spoken(_CHANGED),
    "Rules.undo": Spoken(_CHANGED),
    "Series.last": Spoken("answers:LastList"),
    "Series.series": Spoken("answers:SeriesList"),
    "Sites.list": Spoken("site_answers:SiteList"),
    "Sites.look": Spoken(),
    "Sites.show": Spoken("site_answers:SiteRow"),
    "State.adapters": Spoken("*adapters.supervised:AdapterStatus"),
    "State.adapter_devices": Spoken("*adapters.port:DeviceState"),
    "State.clock": Spoken("answers:ClockStatus"),
    "State.flow": Spoken("flow_answers:Flow"),
    "State.healthz": Spoken(),
    "State.history": Spoken("history.lake.health:MemoryStatus"),
    "State.ledger": Spoken("journal.ledger:Ledger"),
    "State.metrics": Spoken(media=TEXT),
    "State.readyz": Spoken("answers:Readiness"),
    "State.residency": Spoken("residency.report:Report"),
    "State.status": Spoken("answers:Status"),
    "State.storage": Spoken("flow_answers:Room"),
}
