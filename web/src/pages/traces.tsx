// The way of single readings and alerts: a list of those that were followed, and each step of one, from its device to the hub.
import { useEffect, useState } from "preact/hooks";
import { Link, useLocation, useRoute } from "wouter-preact";
import { percent, whole } from "~/lib/format";
import { useLoad } from "~/lib/load";
import { usePlace } from "~/lib/place";
import { ago, exact } from "~/lib/time";
import { Badge, Button, Card, Empty, ErrorNote, Facts, Loading, Page, Search, Segment } from "~/parts/basic";
import { NodeChoice } from "~/parts/NodeChoice";
import { Table, type Column } from "~/parts/Table";
import { attempt } from "~/parts/Toasts";
import "./traces/traces.css";
import { took, Waterfall } from "./traces/waterfall";
import type { Span } from "./traces/steps";

interface Row {
  id: string;
  kind: "reading" | "alert";
  what: string;
  nodes: string[];
  start_ns: number;
  end_ns: number;
  root: boolean;
  steps: string[];
  alerts: string;
}

interface List {
  traces: Row[];
  sample: number;
  let_go: number;
}

const KINDS = [["", "All"], ["reading", "Readings"], ["alert", "Alerts"]] as const;
const NO_ROWS: Row[] = [];

export default function Traces() {
  const [isOne] = useRoute("/traces/:id");
  const [, params] = useRoute("/traces/:id");
  return isOne && params ? <One id={params.id ?? ""} /> : <All />;
}

function All() {
  const [place, change] = usePlace();
  const [, go] = useLocation();
  const kind = place.get("kind") ?? "", of = place.get("node") ?? "";
  const [text, setText] = useState(place.get("series") ?? "");
  useEffect(() => {
    const timer = setTimeout(() => change({ series: text }), 300);
    return () => clearTimeout(timer);
  }, [text]);
  const { data, error, isLoading } = useLoad<List>("traces", { kind, series: place.get("series"), limit: 500, node: of }, 5000);
  const rows = data?.traces ?? NO_ROWS;
  return (
    <Page title="Traces" about={of ? `Readings and alerts that ${of} followed, as far as its steps have come here.` : about(data)}>
      {error && <ErrorNote error={error} />}
      <Card
        flush
        title={
          <span class="row">
            <NodeChoice value={of} onChange={(node) => change({ node })} />
            <Segment label="Kind" value={kind} choices={KINDS} onChange={(value) => change({ kind: value })} />
          </span>
        }
        actions={<Search label="Series or rule" value={text} onChange={setText} />}
      >
        {!data && isLoading ? (
          <Loading />
        ) : (
          <Table
            label="Traces"
            rows={rows}
            columns={columns}
            id={(row) => row.id}
            onOpen={(row) => go(`/traces/${row.id}`)}
            maxHeight="calc(100vh - 15rem)"
            sortBy="-Began"
            empty={
              <Empty title={data?.sample === 0 || kind || place.get("series") ? "No trace is kept that matches." : "No trace is kept yet."}>
                {data?.sample === 0
                  ? "Nothing is followed: telemetry.traces.sample in node.yaml is 0."
                  : "Of all readings only a small share is followed, and every alert. telemetry.traces.sample in node.yaml says how many."}
              </Empty>
            }
          />
        )}
      </Card>
    </Page>
  );
}

function about(list: List | null): string {
  if (!list) return "Single readings and alerts, followed from their device to the hub.";
  const share = list.sample >= 1 ? "Every reading" : list.sample > 0 ? `${percent(list.sample)} of readings` : "No reading";
  const lost = list.let_go ? `; ${whole(list.let_go)} more weren't for want of room` : "";
  return `${share} and every alert ${list.sample > 0 ? "is followed" : "may be followed"} on the way to the hub${lost}.`;
}

const columns: Column<Row>[] = [
  {
    name: "What",
    sort: (row) => row.what,
    cell: (row) => (
      <span class="trace-what">
        <Link href={`/traces/${row.id}`}>{row.what || row.id.slice(0, 12)}</Link>
        {row.kind === "alert" && <Badge mood="warn">alert</Badge>}
        {row.kind === "reading" && row.alerts && <Badge mood="warn">raised an alert</Badge>}
      </span>
    ),
  },
  { name: "Began", sort: (row) => row.start_ns, cell: (row) => <span class="nowrap" title={exact(row.start_ns)}>{ago(row.start_ns)}</span> },
  { name: "Took", isNumber: true, sort: (row) => row.end_ns - row.start_ns, cell: (row) => <span class="nowrap">{took(row.end_ns - row.start_ns)}</span> },
  { name: "Steps", isNumber: true, wideOnly: true, sort: (row) => row.steps.length, cell: (row) => row.steps.length },
  { name: "Seen at", wideOnly: true, cell: (row) => <span class="soft">{row.nodes.join(" → ")}</span> },
];

function One({ id }: { id: string }) {
  const { data, error, isLoading, reload } = useLoad<{ id: string; spans: Span[]; notes: string[] }>(`traces/${id}`, { below: true });
  const root = data?.spans.find((span) => !span.parent) ?? null;
  const first = root ?? data?.spans[0] ?? null;
  const title = first ? titled(first) : "Trace";
  return (
    <Page
      title={title}
      about={
        <span class="row">
          <Link href="/traces">All traces</Link>
          <code class="soft wrap">{id}</code>
        </span>
      }
      actions={
        <>
          <Button onClick={() => void attempt(() => navigator.clipboard.writeText(id), "Id copied")}>Copy id</Button>
          <Button onClick={reload}>Look again</Button>
        </>
      }
    >
      {error && <ErrorNote error={error} />}
      {!data && isLoading && <Loading />}
      {data && first && (
        <>
          <Card title="Its way" note={`${took(last(data.spans) - Math.min(...data.spans.map((span) => span.start_ns)))} in all`}>
            <Waterfall spans={data.spans} />
          </Card>
          <About root={first} spans={data.spans} notes={data.notes} />
        </>
      )}
    </Page>
  );
}

function titled(span: Span): string {
  const { rule, series, what } = span.facts ?? {};
  return rule !== undefined ? `${rule} on ${series}` : String(series ?? what ?? "Trace");
}

const last = (spans: readonly Span[]): number => Math.max(...spans.map((span) => span.end_ns));

function About({ root, spans, notes }: { root: Span; spans: readonly Span[]; notes: readonly string[] }) {
  const fact = root.facts ?? {};
  const alerts = String(spans.find((span) => span.name === "decide")?.facts?.["alerts"] ?? "").split(", ").filter(Boolean);
  const nodes = [...new Set(spans.map((span) => span.node))];
  return (
    <Card title="What it is">
      <Facts
        rows={[
          fact["series"] !== undefined && ["Series", <span class="mono">{String(fact["series"])}</span>],
          fact["event"] !== undefined && ["Event", String(fact["event"])],
          fact["ts_ns"] !== undefined && ["Its time", exact(Number(fact["ts_ns"]))],
          fact["quality"] !== undefined && ["Quality", String(fact["quality"])],
          Boolean(fact["rules"]) && ["Read by", String(fact["rules"])],
          alerts.length > 0 && ["Raised", <span class="row">{alerts.map((one) => <Link key={one} href={`/traces/${one}`}>{one.slice(0, 12)}</Link>)}</span>],
          (root.links ?? []).length > 0 && ["Came of", <span class="row">{(root.links ?? []).map((one) => <Link key={one} href={`/traces/${one}`}>{one.slice(0, 12)}</Link>)}</span>],
          ["Seen at", nodes.join(" → ")],
          notes.length > 0 && ["Missing", notes.join("; ")],
        ]}
      />
      <p class="small soft apart-above">Each node tells times by its own clock. A node knows nothing of the steps above it: look at the hub to see them all.</p>
    </Card>
  );
}
