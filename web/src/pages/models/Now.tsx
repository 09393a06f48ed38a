// How fast it was, what it said of a device, and its newest results.
import { useMemo, useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { aligned, type Point } from "~/lib/align";
import { bytes, figure, percent, whole } from "~/lib/format";
import { useLoad } from "~/lib/load";
import { usePlace } from "~/lib/place";
import { clock, exact, ms, now } from "~/lib/time";
import type { Alert } from "~/lib/types";
import { Badge, Card, Empty, ErrorNote, Facts, Loading, Search, Segment } from "~/parts/basic";
import { Chart, type Mark } from "~/parts/Chart";
import { Table, type Column } from "~/parts/Table";
import { course } from "./paces";
import type { Detail, Pictures, Result } from "./types";
import { HOW, millis } from "./words";

const SPANS = { "15m": [900, "2s"], "1h": [3600, "10s"], "24h": [86_400, "5m"], "7d": [604_800, "30m"] } as const;
type Span = keyof typeof SPANS;
const SPAN_CHOICES = (Object.keys(SPANS) as Span[]).map((key) => [key, key] as const);
const MOST_MARKS = 100;

export function Now({ detail }: { detail: Detail }) {
  return (
    <div class="stack">
      <Said detail={detail} />
      <Latency detail={detail} />
      {detail.pictures && <Cameras told={detail.pictures} />}
      <Newest detail={detail} />
    </div>
  );
}

const STATES: Record<Pictures["state"], string> = {
  ok: "taken as they come",
  resting: "one got no result; it’s tried again in a minute",
  folder_unusable: "the folder can’t be used",
  no_model: "the model isn’t here; they wait",
};

/** How it goes with a camera’s pictures. */
function Cameras({ told }: { told: Pictures }) {
  return (
    <Card title="Pictures" note="since the node started">
      <Facts
        rows={[
          ["Now", STATES[told.state]],
          ["Taken", whole(told.taken)],
          ["Refused", whole(told.refused)],
          told.unanswered > 0 && ["Without an answer", whole(told.unanswered)],
          ["Waiting", `${whole(told.waiting)}, ${bytes(told.waiting_bytes)}`],
          told.last_error !== "" && ["Last error", <span class="wrap">{told.last_error}</span>],
        ]}
      />
    </Card>
  );
}

function Latency({ detail }: { detail: Detail }) {
  const { row } = detail;
  const drawn = useMemo(() => {
    const { times, values } = aligned([
      course(row.name, detail.trend).map((one): Point => [ms(one.ts), one.p99_ms]),
      course(row.name, detail.trend).map((one): Point => [ms(one.ts), one.p50_ms]),
    ]);
    return { times, lines: [{ name: "p99", values: values[0] ?? [], unit: "ms" }, { name: "p50", values: values[1] ?? [], unit: "ms" }] };
  }, [detail]);
  const levels = useMemo(() => (row.budget_ms === null ? [] : [{ value: row.budget_ms, label: "budget" }]), [row.budget_ms]);
  return (
    <Card title="Latency" note="from a reading’s arrival to its result, features included">
      {!row.devices && row.p99_ms === null ? (
        <p class="soft">Nothing was scored yet.</p>
      ) : drawn.times.length > 1 ? (
        <>
          <Chart label={`p50 and p99 of ${row.name}${row.budget_ms === null ? "" : `, budget ${millis(row.budget_ms)}`}`} times={drawn.times} lines={drawn.lines} levels={levels} height={200} />
          <div class="legend">
            <span class="model-key series-1"><i />p99, ms</span>
            <span class="model-key series-2"><i />p50, ms</span>
            {row.budget_ms !== null && <span class="model-key level"><i />{`budget ${millis(row.budget_ms)}`}</span>}
          </div>
        </>
      ) : (
        <p class="soft">It’s drawn as it comes: leave this page open for a few seconds.</p>
      )}
    </Card>
  );
}

type Kind = "score" | "confidence";

interface Answer {
  from_ns: number;
  to_ns: number;
  step_ns: number;
  series: { series: string; ts: number[]; mean?: (number | null)[]; max?: (number | null)[]; last?: (number | string | boolean | null)[] }[];
}

/** What it said of one device: the score with its threshold, and its alerts. */
function Said({ detail }: { detail: Detail }) {
  const [place, change] = usePlace();
  const { row } = detail;
  const wanted = place.get("span") ?? "", span: Span = wanted in SPANS ? (wanted as Span) : "1h";
  const alerts = useLoad<Alert[]>(row.rule ? "alerts" : null, { rule: row.rule, state: "all", limit: 200 }, 10_000).data ?? [];
  const open = alerts.find((one) => one.state === "open" && detail.devices.some(([node, device]) => node === one.node && device === one.device));
  const names = detail.devices.map(([node, device]) => `${node}/${device}`);
  const asked = place.get("device") ?? "", device = names.includes(asked) ? asked : open ? `${open.node}/${open.device}` : (names[0] ?? "");
  const [seconds, step] = SPANS[span], series = ["score", "confidence", "label"].map((part) => `${device}/ml.${row.name}.${part}`);
  const answer = useLoad<Answer>(device ? "query" : null, { series, from: `-${span}`, to: "now", step, aggregates: "mean,max,last", site: false }, seconds <= 3600 ? 5000 : 60_000);
  const drawn = useMemo(() => draw(answer.data), [answer.data]);
  const across = useMemo((): [number, number] => [now.peek() - seconds * 1000, now.peek()], [answer.data, seconds]);
  const blocks = useMemo(() => (detail.classes.length ? labelBlocks(answer.data, detail.classes, drawn?.times ?? []) : []), [answer.data, drawn, detail.classes]);
  const marks = useMemo(
    () => alerts.filter((one) => `${one.node}/${one.device}` === device && (!one.cleared_ns || one.cleared_ns / 1e6 > now.peek() - seconds * 1000)).slice(0, MOST_MARKS).map(marked),
    [alerts, device, seconds],
  );
  const what = drawn?.kind ?? "score", metric = `ml.${row.name}.${what}`, threshold = what === "score" ? (detail.card?.threshold ?? null) : null;
  const levels = useMemo(() => (threshold === null ? [] : [{ value: threshold, label: "threshold" }]), [threshold]);
  if (!device) return <Card title="What it says"><Empty title="It hasn’t said anything yet.">{detail.features?.source && detail.features.source !== "readings" ? `Results come once a device of ${detail.features.source} sends.` : "Results come once a device sends what its features read: see About."}</Empty></Card>;
  const links = [what, "label"].map((part) => `series=${encodeURIComponent(`${device}/ml.${row.name}.${part}`)}`).join("&");
  return (
    <Card
      title="What it says"
      actions={
        <>
          <select class="select model-device" aria-label="Device" value={device} onChange={(event) => change({ device: event.currentTarget.value })}>
            {names.map((name) => <option key={name} value={name}>{name}</option>)}
          </select>
          <Segment label="Time shown" value={span} choices={SPAN_CHOICES} onChange={(to) => change({ span: to })} />
          <Link class="button quiet" href={`/charts?${links}`}>Open in Charts</Link>
        </>
      }
    >
      {answer.error && !drawn && <ErrorNote error={answer.error} />}
      {!drawn && !answer.error && <div class="said-wait"><Loading label="Loading the past" /></div>}
      {drawn && (drawn.times.length || blocks.length ? (
        <>
          {blocks.length > 0 && <Labels blocks={blocks} classes={detail.classes} />}
          {drawn.times.length > 0 && <Chart label={`${metric} of ${device} over the last ${span}`} times={drawn.times} lines={drawn.lines} marks={marks} levels={levels} across={across} height={260} />}
          {drawn.times.length > 0 && <div class="legend">
            <span class="model-key series-1"><i />{`highest ${what} of each step`}</span>
            <span class="model-key series-2"><i />mean</span>
            {threshold !== null && <span class="model-key level"><i />{`threshold ${figure(threshold)}`}</span>}
            {marks.length > 0 && <span class="model-key span bad"><i />while an alert was open</span>}
          </div>}
        </>
      ) : (
        <Empty title="There are no scores of this time.">{`Is ${device} sending? Scores and labels are stored where record: of ${row.name} in node.yaml has them.`}</Empty>
      ))}
    </Card>
  );
}

function marked(one: Alert): Mark {
  return { from: one.raised_ns / 1e6, to: one.cleared_ns ? one.cleared_ns / 1e6 : now.peek(), mood: one.severity === "critical" ? "bad" : "warn", label: one.message };
}

/** The score, or where it isn't recorded the confidence. */
function draw(answer: Answer | null): { kind: Kind; times: number[]; lines: { name: string; values: (number | null | undefined)[] }[] } | null {
  if (!answer) return null;
  const of = (kind: Kind): Answer["series"][number] | undefined => answer.series.find((one) => one.series.endsWith(`.${kind}`) && one.ts.length > 0);
  const column = of("score") ?? of("confidence");
  const points = (values: readonly (number | null)[] | undefined): Point[] => (column?.ts ?? []).map((ts, i) => [ms(ts), values?.[i] ?? null]);
  const { times, values } = aligned([points(column?.max), points(column?.mean)]);
  return { kind: column?.series.endsWith(".confidence") ? "confidence" : "score", times, lines: [{ name: "highest", values: values[0] ?? [] }, { name: "mean", values: values[1] ?? [] }] };
}

/** Of a block of one label, in hundredths of the strip: seen at all. */
const SLIMMEST = 0.6;

/** A label that held for some steps. from, to: shares of the time shown; at: of the classes. */
interface Block {
  from: number;
  to: number;
  label: string;
  at: number;
}

/** times: of the chart below, ms, so that both have one axis. */
function labelBlocks(answer: Answer | null, classes: readonly string[], times: readonly number[]): Block[] {
  const column = answer?.series.find((one) => one.series.endsWith(".label"));
  if (!answer || !column?.last) return [];
  const begin = times.length > 1 ? (times[0] ?? 0) * 1e6 : answer.from_ns, end = times.length > 1 ? (times.at(-1) ?? 0) * 1e6 : answer.to_ns;
  const span = end - begin, blocks: Block[] = [];
  column.ts.forEach((ts, i) => {
    const label = column.last?.[i];
    if (typeof label !== "string") return;
    const from = Math.min(1, Math.max(0, (ts - begin) / span)), to = Math.min(1, from + answer.step_ns / span), last = blocks.at(-1);
    if (last?.label === label && from - last.to < (4 * answer.step_ns) / span) last.to = to;
    else blocks.push({ from, to, label, at: classes.indexOf(label) });
  });
  return blocks;
}

/** What it said when, over the chart. */
function Labels({ blocks, classes }: { blocks: readonly Block[]; classes: readonly string[] }) {
  const said = classes.filter((_, at) => blocks.some((one) => one.at === at));
  return (
    <>
      <svg class="label-strip" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label={`What it said: ${said.join(", ")}; last ${blocks.at(-1)?.label ?? ""}`}>
        {blocks.map((one) => {
          const width = Math.max(SLIMMEST, 100 * (one.to - one.from));  // the last step begins where the chart ends
          return (
            <rect key={one.from} class={`label-${(Math.max(0, one.at) % 6) + 1}`} x={Math.min(100 * one.from, 100 - width)} width={width} y="0" height="10">
              <title>{one.label}</title>
            </rect>
          );
        })}
      </svg>
      <div class="legend label-legend">
        {classes.map((name, at) => said.includes(name) && <span key={name} class={`model-key label-${(at % 6) + 1}`}><i />{name}</span>)}
      </div>
    </>
  );
}

const RESULTS: Column<Result>[] = [
  { name: "When", sort: (one) => -one.ts, cell: (one) => <span class="nowrap" title={exact(one.ts)}>{clock(ms(one.ts))}</span> },
  { name: "Device", sort: (one) => one.device, cell: (one) => <Link class="nowrap" href={`/devices/${encodeURIComponent(one.device)}`}>{one.device}</Link> },
  { name: "Score", isNumber: true, sort: (one) => -(one.score ?? -Infinity), cell: (one) => (one.score === null ? "—" : String(Number(one.score.toPrecision(4)))) },
  { name: "Says", sort: (one) => one.label, cell: (one) => <span class="clip label-cell" title={one.label}>{one.label || "—"}</span> },
  { name: "Sure", isNumber: true, wideOnly: true, sort: (one) => -(one.confidence ?? -1), cell: (one) => (one.confidence === null ? "" : percent(one.confidence)) },
  { name: "By", sort: (one) => one.how, cell: (one) => (one.how === "model" ? <span class="soft">the model</span> : <Badge mood={one.how === "parent" ? "info" : "warn"}>{HOW[one.how] ?? one.how}</Badge>) },
  { name: "Version", wideOnly: true, sort: (one) => one.version, cell: (one) => one.version },
  { name: "Took", isNumber: true, wideOnly: true, sort: (one) => -(one.ms ?? 0), cell: (one) => (one.ms === null ? "" : millis(one.ms)) },
];
const WHICH = [["", "All"], ["fallback", "By fallback"]] as const;

function Newest({ detail }: { detail: Detail }) {
  const [text, setText] = useState(""), [which, setWhich] = useState<"" | "fallback">("");
  const wanted = text.toLowerCase();
  const rows = detail.results.filter((one) => (!which || (one.how !== "model" && one.how !== "parent")) && `${one.device} ${one.label} ${one.version}`.toLowerCase().includes(wanted));
  return (
    <Card title="Newest results" note={`${detail.results.length}`} flush actions={<><Segment label="Answered by" value={which} choices={WHICH} onChange={setWhich} /><Search label="Search newest results" placeholder="Search" value={text} onChange={setText} /></>}>
      <Table
        label="Newest results"
        rows={rows}
        columns={RESULTS}
        id={(one) => `${one.ts} ${one.node}/${one.device} ${one.version}`}
        maxHeight="24rem"
        empty={<Empty title={detail.results.length ? "No result fits." : "There are no results yet."} />}
      />
    </Card>
  );
}
