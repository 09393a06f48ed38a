// How rows get to the parent: the link, what waits by lane and for how long, what it costs, the children and the gaps.
import { useEffect, useState } from "preact/hooks";
import { status as shared } from "~/app";
import { bytes, rate, short, whole } from "~/lib/format";
import { useLoad } from "~/lib/load";
import { ago, exact, lasting, moment } from "~/lib/time";
import type { Link, Status } from "~/lib/types";
import { Badge, Card, Empty, ErrorNote, Facts, Loading, Meter, type Mood, Page, Spark, Stat } from "~/parts/basic";
import { type Column, Table } from "~/parts/Table";
import { type ChildFlow, type Flow, type Gap, laneName, LANES, type LaneFlow, type Ledger, reason, total } from "./sync/lanes";
import { Way } from "./sync/way";
import "./sync/sync.css";

const SINCE_UP = 120;

export default function Sync() {
  const flow = useLoad<Flow>("flow", {}, 2000);
  const ledger = useLoad<Ledger>("ledger", {}, 10_000);
  const asked = useLoad<Status>("status", {}, 5000);
  const status = shared.value ?? asked.data;
  const past = usePast(status, flow.data);
  if (!status || !flow.data) {
    const error = flow.error ?? asked.error;
    return error ? <ErrorNote error={error} /> : <Loading />;
  }
  const { link } = status;
  const waits = flow.data.lanes.reduce((sum, lane) => sum + lane.waits, 0);
  const oldest = Math.max(0, ...flow.data.lanes.map((lane) => lane.oldest_s));
  return (
    <Page title="Sync" about={link ? `to ${link.url}` : "this node has no parent: rows are kept here. To send them to a hub, add parent: {url, ca, token_file} to node.yaml"}>
      {link?.state === "down" && (
        <div class="banner bad" role="status">
          <span>
            The parent hasn't answered for {lasting(flow.data.down_s)}: {link.detail || "not reached"}. Nothing is lost: rows wait in the journal.
          </span>
        </div>
      )}
      <Card>
        <Way status={status} flow={flow.data} sent={past.sent.at(-1) ?? 0} />
      </Card>
      {link && (
        <div class="grid">
          <Stat title="Waits for the parent" value={short(waits)} unit="rows" note={waits ? `the oldest for ${lasting(oldest)}` : "everything is up there"}>
            <Spark values={past.waits} label="Rows that wait, in the last minutes" />
          </Stat>
          <Stat title="Sent" value={bytes(past.sent.at(-1) ?? 0)} unit="/s" note={`${bytes(link.sent_bytes)} since the start`}>
            <Spark values={past.sent} label="Bytes a second, in the last minutes" />
          </Stat>
          <Stat
            title="Goodput"
            value={link.goodput_bps === null ? "—" : short(link.goodput_bps / 1000)}
            unit={link.goodput_bps === null ? "" : "kbit/s"}
            note={link.goodput_bps === null ? "not measured yet: too little was sent" : "what the link carries, as measured"}
          />
          <Stat title="Round trip" value={link.rtt_s === null ? "—" : lasting(link.rtt_s)} note="of small calls" />
        </div>
      )}
      <Waiting flow={flow.data} hasParent={link !== null} />
      {link && (
        <div class="grid wide">
          <Pace link={link} flow={flow.data} />
          <Budget link={link} />
        </div>
      )}
      {flow.data.children.length > 0 && <Children rows={flow.data.children} />}
      <Gaps gaps={ledger.data?.gaps ?? null} />
    </Page>
  );
}

interface Past {
  waits: number[];
  sent: number[];
}

/** What was seen since the page was opened: rows that wait, and bytes sent a second. */
function usePast(status: Status | null, flow: Flow | null): Past {
  const [past, setPast] = useState<Past>({ waits: [], sent: [] });
  const [last, setLast] = useState<{ at: number; bytes: number } | null>(null);
  const at = status?.now_ns, bytesNow = status?.link?.sent_bytes;
  useEffect(() => {
    if (at === undefined || bytesNow === undefined || !flow) return;
    const seconds = last ? (at - last.at) / 1e9 : 0;
    if (last && seconds < 0.9) return;
    const sent = last && bytesNow >= last.bytes ? (bytesNow - last.bytes) / seconds : null;
    const waits = flow.lanes.reduce((sum, lane) => sum + lane.waits, 0);
    setLast({ at, bytes: bytesNow });
    setPast((was) => ({ waits: [...was.waits, waits].slice(-SINCE_UP), sent: sent === null ? was.sent : [...was.sent, sent].slice(-SINCE_UP) }));
  }, [at, bytesNow, flow]);
  return past;
}

function Waiting({ flow, hasParent }: { flow: Flow; hasParent: boolean }) {
  const rows = flow.lanes.filter((lane) => lane.committed > 0 || lane.lane < 3);
  const columns: Column<LaneFlow>[] = [
    {
      name: "Lane",
      cell: ({ lane }) => (
        <span class="nowrap">
          <i class={`lane-dot lane-${lane}`} aria-hidden="true" />
          {laneName(lane)}
          <span class="holds">{LANES[lane]?.holds}</span>
        </span>
      ),
    },
    ...(hasParent
      ? ([
          { name: "Waits", isNumber: true, cell: (row) => <strong>{whole(row.waits)}</strong> },
          { name: "Oldest", isNumber: true, cell: (row) => (row.waits ? lasting(row.oldest_s) : "—") },
          { name: "Next batch", isNumber: true, wideOnly: true, cell: (row) => <Next row={row} /> },
          { name: "Delivered", isNumber: true, cell: (row) => short(row.delivered) },
        ] satisfies Column<LaneFlow>[])
      : []),
    { name: "Kept here", isNumber: true, wideOnly: hasParent, cell: (row) => short(row.kept) },
    { name: "Gone", isNumber: true, wideOnly: true, cell: (row) => <span title={goneInWords(row.gone)}>{short(total(row.gone))}</span> },
  ];
  return (
    <Card title={hasParent ? "What waits, by lane" : "Rows, by lane"} note="smaller lanes go first" flush>
      <Table label="Lanes" rows={rows} columns={columns} id={(row) => row.lane} maxHeight="none" />
    </Card>
  );
}

function Next({ row }: { row: LaneFlow }) {
  if (row.is_flying) return <Badge mood="info">under way</Badge>;
  return <span class="soft">{row.batch_rows ? `${short(row.batch_rows)} rows` : "—"}</span>;
}

const goneInWords = (gone: Record<string, number>): string =>
  Object.entries(gone).map(([word, rows]) => `${whole(rows)} ${reason(word)}`).join(", ") || "none";

const PHASES: Record<string, { mood: Mood; says: string; shape: string }> = {
  closed: { mood: "good", says: "Calls go through.", shape: "M4 12H60" },
  half_open: { mood: "warn", says: "One call tries whether the parent is back.", shape: "M4 12H24L42 6M44 12H60" },
  open: { mood: "bad", says: "Calls wait after failures.", shape: "M4 12H24L40 2M44 12H60" },
};
const PACES: Record<string, string> = {
  wide: "Several lanes at once, large batches.",
  narrow: "One lane of 1 and 2 at a time, smaller batches.",
  trickle: "Only what matters most, in small pieces.",
};

function Pace({ link, flow }: { link: Link; flow: Flow }) {
  const phase = PHASES[flow.breaker] ?? { mood: "" as Mood, says: flow.breaker, shape: "M4 12H60" };
  return (
    <Card title="The link">
      <Facts
        rows={[
          ["State", <Badge mood={link.state === "up" ? "good" : "bad"}>{link.state}</Badge>],
          [
            "Breaker",
            <span class={`breaker ${phase.mood}`}>
              <svg viewBox="0 0 64 24" aria-hidden="true">
                <path d={phase.shape} />
                <circle cx="24" cy="12" r="2.5" />
                <circle cx="44" cy="12" r="2.5" />
              </svg>
              <span>{phase.says}</span>
            </span>,
          ],
          flow.quiet_for_s > 0 && ["Pause", `${lasting(flow.quiet_for_s)} left`],
          ["Pace", `${link.pace}. ${PACES[link.pace] ?? ""}`],
          ["Credits", `${flow.credits} ${flow.credits === 1 ? "batch" : "batches"} of bulk and normal rows at once, as the parent says`],
          ["Bulk may go", link.window_in_s > 0 ? `in ${lasting(link.window_in_s)}, by budget or hours` : "now"],
          ["Taken up there", `${short(flow.rows_sent)} rows in ${short(flow.batches_sent)} batches since the start`],
          ["Received", bytes(link.received_bytes)],
          ["Failed calls", whole(flow.failures)],
        ]}
      />
    </Card>
  );
}

function Budget({ link }: { link: Link }) {
  const { budget } = link;
  if (!budget) return null;
  return (
    <Card title="Budget" note={budget.day_left === null && budget.month_left === null ? "no bound is set" : undefined}>
      <div class="pair">
        <Spent name="Today" spent={budget.day_bytes} left={budget.day_left} cost={budget.day_cost} />
        <Spent name="This month" spent={budget.month_bytes} left={budget.month_left} cost={budget.month_cost} />
        <p class="small soft">
          {bytes(budget.critical_bytes)} of today's were alerts and commands: those go up whatever the budget says. Days and months are UTC.
        </p>
      </div>
    </Card>
  );
}

function Spent({ name, spent, left, cost }: { name: string; spent: number; left: number | null; cost: number }) {
  const part = left === null ? 0 : spent / Math.max(1, spent + left);
  return (
    <div>
      <div class="row apart">
        <span>{name}</span>
        <strong>
          {bytes(spent)}
          {left !== null && <span class="soft">{` of ${bytes(spent + left)}`}</span>}
        </strong>
      </div>
      {left !== null && <Meter part={part} label={`${name}: part of the budget that is spent`} mood={part >= 1 ? "bad" : part > 0.8 ? "warn" : ""} />}
      {cost > 0 && <p class="small soft">costs {rate(cost)}</p>}
    </div>
  );
}

function Children({ rows }: { rows: ChildFlow[] }) {
  const columns: Column<ChildFlow>[] = [
    { name: "Child", sort: (row) => row.name, cell: (row) => <strong>{row.name}</strong> },
    { name: "Heard", sort: (row) => -row.heard_ns, cell: (row) => <span title={exact(row.heard_ns)}>{row.heard_ns ? ago(row.heard_ns) : "not since the start"}</span> },
    { name: "Rows taken", isNumber: true, sort: (row) => row.rows, cell: (row) => short(row.rows) },
    { name: "Still there", isNumber: true, wideOnly: true, sort: (row) => row.unseen, cell: (row) => short(row.unseen) },
    { name: "Lost or shed there", isNumber: true, wideOnly: true, sort: (row) => row.gap_rows, cell: (row) => short(row.gap_rows) },
    {
      name: "",
      cell: (row) =>
        row.residual ? <Badge mood="bad">off by {whole(row.residual)}</Badge> : row.suspect ? <Badge mood="bad">two machines?</Badge> : <Badge mood="good">balanced</Badge>,
    },
  ];
  return (
    <Card title="Children" note={`${rows.length}`} flush>
      <Table label="Children" rows={rows} columns={columns} id={(row) => row.name} maxHeight="50vh" sortBy="Child" />
    </Card>
  );
}

function Gaps({ gaps }: { gaps: Gap[] | null }) {
  if (!gaps) return null;
  const columns: Column<Gap>[] = [
    { name: "When", sort: (gap) => gap.at_ns, cell: (gap) => <span title={exact(gap.at_ns)}>{moment(gap.at_ns)}</span> },
    { name: "Lane", sort: (gap) => gap.lane, cell: (gap) => laneName(gap.lane) },
    { name: "Rows", isNumber: true, sort: (gap) => gap.rows, cell: (gap) => whole(gap.rows) },
    { name: "Why", sort: (gap) => gap.reason, cell: (gap) => reason(gap.reason) },
    { name: "Of the time", wideOnly: true, cell: (gap) => (gap.from_ns ? `${moment(gap.from_ns)} to ${moment(gap.to_ns)}` : "—") },
  ];
  return (
    <Card title="Gaps" note={gaps.length ? `${gaps.length}` : undefined} flush>
      <Table
        label="Gaps"
        rows={gaps}
        columns={columns}
        id={(gap) => `${gap.lane}:${gap.first}`}
        maxHeight="50vh"
        sortBy="-When"
        empty={<Empty title="No gaps.">No row is gone without having reached where it had to.</Empty>}
      />
    </Card>
  );
}
