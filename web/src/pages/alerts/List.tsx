// The list: open ones first, narrowed by what stands in the address, and worked through with the keyboard.
import { useEffect, useMemo, useState } from "preact/hooks";
import { Link, useLocation } from "wouter-preact";
import { usePlace } from "~/lib/place";
import { may } from "~/lib/session";
import { ago, exact, lasting, now } from "~/lib/time";
import { Badge, Button, Card, Empty, ErrorNote, Loading, Page, Search, Segment } from "~/parts/basic";
import { Table, type Column } from "~/parts/Table";
import { ActDialog, isTyping, KeysDialog, type Act } from "~/pages/alerts/acts";
import { byName, fits, moodOf, RANK, useAlerts, type Alert, type Filters } from "~/pages/alerts/data";
import { fitting, Strip, WIDTHS } from "~/pages/alerts/Strip";

const HEIGHT = 56;
const STATES = [
  ["", "All"],
  ["open", "Open"],
  ["new", "Unacknowledged"],
  ["over", "Over"],
] as const;
const SEVERITIES = [
  ["", "Any"],
  ["critical", "Critical"],
  ["warning", "Warning"],
  ["info", "Info"],
] as const;

interface Group {
  rule: string;
  count: number;
  open: number;
  severity: string;
  isShut: boolean;
}

interface Line {
  key: string;
  one: Alert | null;
  group: Group | null;
}

/** The rows of the table: alerts, with a heading for each rule when they're grouped. */
function linesOf(alerts: readonly Alert[], isGrouped: boolean, shut: ReadonlySet<string>): Line[] {
  if (!isGrouped) return alerts.map((one) => ({ key: String(one.id), one, group: null }));
  const rules = new Map<string, Alert[]>();
  for (const one of alerts) {
    const found = rules.get(one.rule);
    if (found) found.push(one);
    else rules.set(one.rule, [one]);
  }
  return [...rules].flatMap(([rule, mine]) => {
    const open = mine.filter((one) => one.state === "open").length;
    const severity = mine.reduce((worst, one) => ((RANK[one.severity] ?? 3) < (RANK[worst] ?? 3) ? one.severity : worst), mine[0]?.severity ?? "");
    const isShut = shut.has(rule);
    const head: Line = { key: `rule ${rule}`, one: null, group: { rule, count: mine.length, open, severity, isShut } };
    return [head, ...(isShut ? [] : mine.map((one): Line => ({ key: String(one.id), one, group: null })))];
  });
}

export function List() {
  const { alerts, error, isLoading, reload } = useAlerts();
  const [place, change] = usePlace();
  const [, go] = useLocation();
  const [act, setAct] = useState<{ act: Act; one: Alert } | null>(null);
  const [isHelp, setHelp] = useState(false);
  const [at, setAt] = useState<string | null>(null);
  const [shut, setShut] = useState<ReadonlySet<string>>(new Set());
  const read = (name: string): string => place.get(name) ?? "";
  const filters: Filters = {
    state: read("state"), severity: read("severity"), device: read("device"), rule: read("rule"), node: read("node"), text: read("q"),
  };
  const key = JSON.stringify(filters), isGrouped = read("group") === "rule";
  const shown = useMemo(() => alerts.filter(fits(filters)), [alerts, key]);
  const fit = useMemo(() => fitting(shown), [shown]), hours = Number(read("hours")) || fit;
  const lines = useMemo(() => linesOf(shown, isGrouped, shut), [shown, isGrouped, shut]);
  const columns = useMemo(() => columnsFor(alerts), [alerts]);
  const toggle = (rule: string): void => {
    const next = new Set(shut);
    if (!next.delete(rule)) next.add(rule);
    setShut(next);
  };
  const open = (line: Line): void => {
    if (line.group) toggle(line.group.rule);
    else go(`/alerts/${line.key}`);
  };
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      if (isTyping(event)) return;
      const index = lines.findIndex((line) => line.key === at), line = lines[index];
      const move = (by: number): void => {
        const next = lines[Math.min(lines.length - 1, Math.max(0, index + by))];
        if (next) setAt(next.key);
      };
      const begin = (what: Act): void => {
        if (line?.one && may("operator", true) && (what !== "acknowledge" || isNew(line.one))) setAct({ act: what, one: line.one });
      };
      if (event.key === "j" || event.key === "ArrowDown") move(1);
      else if (event.key === "k" || event.key === "ArrowUp") move(-1);
      else if (event.key === "Enter" && line && !(event.target instanceof HTMLElement && event.target.closest("button, a"))) open(line);
      else if (event.key === "a") begin("acknowledge");
      else if (event.key === "c") begin("comment");
      else if (event.key === "s") begin("silence");
      else if (event.key === "?") setHelp(true);
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [lines, at]);
  useEffect(() => keepInSight(lines.findIndex((line) => line.key === at)), [at]);
  const openCount = alerts.filter((one) => one.state === "open").length, newCount = alerts.filter(isNew).length;
  const isNarrowed = Object.values(filters).some(Boolean);
  return (
    <Page
      title="Alerts"
      about={isLoading ? undefined : openCount ? `${openCount} open, ${newCount} of them not acknowledged` : "Nothing is open."}
      actions={<Button look="quiet" class="keys-button" onClick={() => setHelp(true)}>Keys <kbd>?</kbd></Button>}
    >
      {error && <ErrorNote error={error} />}
      <Card
        title="When" note="by device"
        actions={<Segment label="How far back" value={String(hours)} choices={WIDTHS} onChange={(width) => change({ hours: width })} />}
      >
        <Strip alerts={shown} hours={hours} onPick={(device) => change({ device: filters.device === device ? "" : device })} />
      </Card>
      <div class="row filters">
        <Segment label="State" value={filters.state} choices={STATES} onChange={(state) => change({ state })} />
        <Segment label="Severity" value={filters.severity} choices={SEVERITIES} onChange={(severity) => change({ severity })} />
        <Pick label="Rule" value={filters.rule} alerts={alerts} of="rule" onPick={(rule) => change({ rule })} />
        <Pick label="Device" value={filters.device} alerts={alerts} of="device" onPick={(device) => change({ device })} />
        <Pick label="Node" value={filters.node} alerts={alerts} of="node" onPick={(node) => change({ node })} unlessOne />
        <Search label="Search in alerts" placeholder="Search (/)" value={filters.text} onChange={(q) => change({ q })} />
        <Button aria-pressed={isGrouped} onClick={() => change({ group: isGrouped ? "" : "rule" })}>By rule</Button>
        {isNarrowed && (
          <Button look="quiet" icon="close" onClick={() => change({ state: "", severity: "", device: "", rule: "", node: "", q: "" })}>Clear</Button>
        )}
      </div>
      <section class="card alerts-list">
        {isLoading ? (
          <Loading />
        ) : (
          <Table
            label="Alerts" rows={lines} columns={columns} id={(line) => line.key} selected={at} rowHeight={HEIGHT} maxHeight="65vh"
            onOpen={open}
            empty={
              isNarrowed ? (
                <Empty title="No alert fits.">Take a filter away to see more.</Empty>
              ) : (
                <Empty title="There are no alerts.">Rules raise them: what they decide shows up here. <Link href="/rules">To the rules</Link></Empty>
              )
            }
          />
        )}
      </section>
      {act && <ActDialog act={act.act} alert={act.one} onDone={reload} onClose={() => setAct(null)} />}
      {isHelp && <KeysDialog onClose={() => setHelp(false)} />}
    </Page>
  );
}

export const isNew = (one: Alert): boolean => one.state === "open" && !one.acknowledged_ns;

function keepInSight(index: number): void {
  const box = document.querySelector<HTMLElement>(".alerts-list .table");
  if (!box || index < 0) return;
  const top = index * HEIGHT, head = 36;
  if (top < box.scrollTop) box.scrollTop = top;
  else if (top + HEIGHT + head > box.scrollTop + box.clientHeight) box.scrollTop = top + HEIGHT + head - box.clientHeight;
}

function Pick(props: { label: string; value: string; alerts: readonly Alert[]; of: "rule" | "device" | "node"; onPick: (value: string) => void; unlessOne?: boolean }) {
  const names = useMemo(() => {
    const found = new Set(props.alerts.map((one) => one[props.of]));
    if (props.value) found.add(props.value);
    return [...found].sort(byName).slice(0, 500);
  }, [props.alerts, props.value]);
  // The same nodes while nothing changed: they aren't compared one by one at each stroke of a key.
  const options = useMemo(() => names.map((name) => <option key={name} value={name}>{name}</option>), [names]);
  if (props.unlessOne && names.length < 2 && !props.value) return null;
  return (
    <select class="select pick" aria-label={props.label} value={props.value} onChange={(event) => props.onPick(event.currentTarget.value)}>
      <option value="">{`${props.label}: any`}</option>
      {options}
    </select>
  );
}

function columnsFor(alerts: readonly Alert[]): Column<Line>[] {
  const hasNodes = new Set(alerts.map((one) => one.node)).size > 1;
  const columns: Column<Line>[] = [
    { name: "Severity", cell: ({ one, group }) => (one ? <Severity one={one} /> : group && <span class={`fold ${group.isShut ? "shut" : ""}`} aria-hidden="true">▾</span>) },
    { name: "What", cell: ({ one, group }) => (one ? <What one={one} /> : group && <Head group={group} />) },
    { name: "Raised", wideOnly: true, cell: ({ one }) => one && <Raised one={one} /> },
    { name: "Lasts", wideOnly: true, isNumber: true, cell: ({ one }) => one && <Lasts one={one} /> },
    { name: "Who", wideOnly: true, cell: ({ one }) => one && <span class="soft">{one.acknowledged_by || "—"}</span> },
  ];
  const node: Column<Line> = { name: "Node", wideOnly: true, cell: ({ one }) => one && <span class="soft">{one.node}</span> };
  return hasNodes ? [...columns.slice(0, 2), node, ...columns.slice(2)] : columns;
}

function Severity({ one }: { one: Alert }) {
  const isOver = one.state !== "open";
  return <Badge mood={isOver ? "" : moodOf(one.severity)}>{isOver ? "over" : one.severity}</Badge>;
}

function What({ one }: { one: Alert }) {
  return (
    <div class={`what ${one.state}`}>
      <strong title={one.message}>{one.message}</strong>
      <span class="soft small">
        <span class="only-narrow">{`${ago(one.raised_ns)} · `}</span>
        {[one.device, one.metric].filter(Boolean).join(" · ")} · {one.rule}
        {one.maintenance ? " · maintenance" : ""}
        {one.below === "waiting" ? " · waiting for the site" : one.below === "refused" ? " · the site refused" : ""}
        {one.comments ? ` · ${one.comments} ${one.comments === 1 ? "comment" : "comments"}` : ""}
      </span>
    </div>
  );
}

function Head({ group }: { group: Group }) {
  return (
    <div class="what group">
      <strong>{group.rule}</strong>
      <span class="soft small">{`${group.count} ${group.count === 1 ? "alert" : "alerts"}${group.open ? `, ${group.open} open` : ""}`}</span>
    </div>
  );
}

function Raised({ one }: { one: Alert }) {
  return (
    <span class="nowrap" title={exact(one.raised_ns)}>
      {ago(one.raised_ns)}
    </span>
  );
}

function Lasts({ one }: { one: Alert }) {
  const end = one.cleared_ns ? one.cleared_ns / 1e6 : now.value;
  return <span class="nowrap">{lasting(Math.max(0, (end - one.raised_ns / 1e6) / 1000))}</span>;
}
