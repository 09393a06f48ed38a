// Whether the data is still as it was: each feature then and now, how far it went, what was alarmed.
import { useMemo, useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { figure, percent, short, whole } from "~/lib/format";
import { usePlace } from "~/lib/place";
import { ago, exact, lasting, nodeNow, now } from "~/lib/time";
import { Badge, Button, Card, Empty, Facts, type Mood } from "~/parts/basic";
import { Chart } from "~/parts/Chart";
import { Table, type Column as TableColumn } from "~/parts/Table";
import { DeedDialog } from "./deeds";
import type { Column, Detail, Drift, Finding, Shape } from "./types";
import { share } from "./words";

const keyOf = (one: Column): string => `${one.kind} ${one.name}`;
type State = "drifting" | "learning" | "steady";
const stateOf = (one: Column): State => (one.alarmed ? "drifting" : one.phase === "laying bins" || one.phase === "learning" ? "learning" : "steady");
const MOODS: Record<State, Mood> = { drifting: "bad", learning: "", steady: "good" };
const partOf = (one: Column): number => (one.psi === null ? -1 : one.psi / (one.psi_limit ?? 1));

/** The one that is shown if nobody chose: what drifts, then what is farthest. */
const farthest = (rows: readonly Column[]): Column | undefined => [...rows].sort((a, b) => Number(b.alarmed) - Number(a.alarmed) || partOf(b) - partOf(a))[0];

export function DriftTab({ detail, onDone }: { detail: Detail; onDone: () => void }) {
  const [place, change] = usePlace();
  const [isAsking, setAsking] = useState(false);
  const { drift } = detail, chosen = drift.columns.find((one) => keyOf(one) === place.get("of")) ?? farthest(drift.columns);
  return (
    <div class="stack">
      {detail.alarms.length > 0 && <Alarms alarms={detail.alarms} />}
      {chosen ? (
        <div class="drift-columns">
          <div class="stack">
            <Card title="What is watched" note={whole(drift.columns.length)} flush actions={<Button needs="admin" onClick={() => setAsking(true)}>Learn anew</Button>}>
              <Table
                label="What is watched"
                rows={drift.columns}
                columns={COLUMNS}
                id={keyOf}
                rowHeight={52}
                sortBy="State"
                selected={keyOf(chosen)}
                onOpen={(one) => change({ of: keyOf(one) })}
                isKeyed
              />
            </Card>
            <Quality drift={drift} />
          </div>
          <One key={keyOf(chosen)} one={chosen} shape={detail.shapes[chosen.name]} drift={drift} alarm={detail.alarms.find((found) => found.feature === chosen.name && !found.device)} />
        </div>
      ) : (
        <Card title="Drift">
          <Empty title="It still learns what is usual.">Drift is measured against the card’s baseline, or against what the first days bring. Both begin with the first rows.</Empty>
        </Card>
      )}
      {isAsking && <DeedDialog asked={{ deed: "relearn" }} detail={detail} onClose={() => setAsking(false)} onDone={onDone} />}
    </div>
  );
}

function Alarms({ alarms }: { alarms: readonly Finding[] }) {
  return (
    <Card title="Open alarms" note={whole(alarms.length)}>
      <ul class="alarms">
        {alarms.slice(0, 20).map((one) => (
          <li key={`${one.kind} ${one.node} ${one.device} ${one.feature}`}>
            <Badge mood="bad">{one.kind.replaceAll("-", " ")}</Badge>
            <span class="wrap">
              {one.message}
              {one.device && <>{" · "}<Link class="underlined" href={`/devices/${encodeURIComponent(one.device)}`}>{one.device}</Link></>}
            </span>
            <span class="soft small nowrap" title={exact(one.since_ns)}>{`for ${lasting((now.value - one.since_ns / 1e6) / 1000)}`}</span>
          </li>
        ))}
      </ul>
      {alarms.length > 20 && <p class="soft small">{`and ${alarms.length - 20} more`}</p>}
    </Card>
  );
}

const ORDER: Record<State, string> = { drifting: "0", learning: "1", steady: "2" };
const COLUMNS: TableColumn<Column>[] = [
  {
    name: "Feature",
    sort: (one) => one.name,
    cell: (one) => (
      <span class="model-name">
        <strong class="wrap">{one.name}</strong>
        {one.kind === "prediction" ? <small>what it says</small> : one.devices > 0 && <small class="tone-bad">{`${whole(one.devices)} ${one.devices === 1 ? "device" : "devices"}`}</small>}
      </span>
    ),
  },
  { name: "State", sort: (one) => `${ORDER[stateOf(one)]}${(9 - partOf(one)).toFixed(4).padStart(9, "0")}`, cell: (one) => <Badge mood={MOODS[stateOf(one)]}>{stateOf(one)}</Badge> },
  { name: "PSI of limit", sort: (one) => -partOf(one), cell: (one) => <Psi one={one} /> },
  { name: "Lately", wideOnly: true, cell: (one) => <Trend one={one} /> },
];

function Psi({ one }: { one: Column }) {
  if (one.psi === null) return <span class="faint">—</span>;
  const limit = one.psi_limit ?? one.psi * 2, end = Math.max(limit * 2, one.psi * 1.05) || 1;
  return (
    <span class="budget-cell psi">
      <span class={`budget ${one.psi > limit ? "bad" : one.psi > limit / 2 ? "warn" : ""}`} role="img" aria-label={`PSI ${figure(one.psi)}${one.psi_limit === null ? "" : `, limit ${figure(one.psi_limit)}`}`}>
        <i class="p50" style={{ width: `${Math.max(1.5, (100 * one.psi) / end)}%` }} />
        {one.psi_limit !== null && <i class="mark" style={{ left: `${(100 * limit) / end}%` }} />}
      </span>
      <small>{figure(Math.round(one.psi * 1000) / 1000)}</small>
    </span>
  );
}

/** How its PSI went, on a scale that has room for its limit: what is steady looks steady. */
function Trend({ one }: { one: Column }) {
  const known = one.spark.filter((psi): psi is number => psi !== null);
  if (known.length < 2) return null;
  const most = Math.max((one.psi_limit ?? 0) * 1.3, ...known) || 1, y = (psi: number): string => (30 - (28 * psi) / most).toFixed(1);
  let line = "", isOpen = false;
  one.spark.forEach((psi, i) => {
    if (psi !== null) line += `${isOpen ? "L" : "M"}${((100 * i) / (one.spark.length - 1)).toFixed(1)} ${y(psi)}`;
    isOpen = psi !== null;
  });
  return (
    <svg class="spark trend" viewBox="0 0 100 32" preserveAspectRatio="none" role="img" aria-label={`PSI of ${one.name} lately`}>
      <path class="line" d={line} />
      {one.psi_limit !== null && <path class="limit" d={`M0 ${y(one.psi_limit)}H100`} />}
    </svg>
  );
}

function One({ one, shape, drift, alarm }: { one: Column; shape: Shape | undefined; drift: Drift; alarm: Finding | undefined }) {
  const state = stateOf(one), season = lasting(drift.season_s), limit = one.psi_limit;
  const { times, lines } = useMemo(() => {
    const step = drift.window_s * 1000, last = Math.floor(nodeNow() / step) * step, first = one.spark.findIndex((psi) => psi !== null);
    const values = first < 0 ? [] : one.spark.slice(first);
    return { times: values.map((_, i) => last - (values.length - 1 - i) * step), lines: [{ name: "PSI", values }] };
  }, [one.spark, drift.window_s]);
  const levels = useMemo(() => (limit === null ? [] : [{ value: limit, label: "limit" }]), [limit]);
  return (
    <Card title={<span class="row"><span class="wrap">{one.name}</span><Badge mood={MOODS[state]}>{state}</Badge></span>}>
      <div class="stack">
        {alarm && <p class="wrap">{`${alarm.message}.`}</p>}
        {state === "learning" && <p class="soft">{`It learns what is usual (${one.phase}); nothing is alarmed before it’s known.`}</p>}
        <Facts
          rows={[
            [`PSI, ${season}`, against(one.psi, limit)],
            [`KS, ${season}`, against(one.ks, one.ks_limit)],
            [`Last ${lasting(drift.window_s)}`, one.psi_short === null ? "too few rows" : `PSI ${figure(one.psi_short)}, KS ${figure(one.ks_short ?? 0)}`],
            alarm && ["Since", <span title={exact(alarm.since_ns)}>{ago(alarm.since_ns)}</span>],
            one.devices > 0 && ["Devices alarmed", `${whole(one.devices)} of ${whole(drift.devices)} watched singly`],
            one.worst !== "" && ["Farthest", <Link href={`/devices/${encodeURIComponent(one.worst)}`}>{one.worst}</Link>],
          ]}
        />
        {shape && <Histogram name={one.name} shape={shape} />}
        {times.length > 1 && (
          <section>
            <h3>How far it was from usual</h3>
            <Chart label={`PSI of ${one.name}${limit === null ? "" : `, limit ${figure(limit)}`}`} times={times} lines={lines} levels={levels} height={170} />
          </section>
        )}
      </div>
    </Card>
  );
}

const against = (value: number | null, limit: number | null): string => (value === null ? "too few rows" : `${figure(value)}${limit === null ? "" : `, limit ${figure(limit)}`}`);

/** Shares of rows by bin, in training and now. */
function Histogram({ name, shape }: { name: string; shape: Shape }) {
  const { edges, then, now } = shape, most = Math.max(0.01, ...then, ...now);
  const bins = [`below ${figure(edges[0] ?? 0)}`, ...edges.slice(1).map((to, i) => `${figure(edges[i] ?? 0)} to ${figure(to)}`), `above ${figure(edges.at(-1) ?? 0)}`];
  const every = Math.ceil(edges.length / 9);
  const said = bins.map((bin, i) => `${bin}: ${percent(then[i] ?? 0)}, ${percent(now[i] ?? 0)}`).join("; ");
  return (
    <section>
      <div class="row apart">
        <h3>Then and now</h3>
        <span class="legend"><span class="model-key series-6"><i />as usual</span><span class="model-key series-1"><i />now</span></span>
      </div>
      <div class="histogram" role="img" aria-label={`${name}, shares of rows as usual and now: ${said}`}>
        {bins.map((bin, i) => (
          <span key={i} class="bin" title={`${bin}: ${percent(then[i] ?? 0)} as usual, ${percent(now[i] ?? 0)} now`}>
            <i class="then" style={{ height: `${(100 * (then[i] ?? 0)) / most}%` }} />
            <i class="now" style={{ height: `${(100 * (now[i] ?? 0)) / most}%` }} />
          </span>
        ))}
      </div>
      <div class="ticks-of" aria-hidden="true">
        {edges.map((edge, i) => i % every === 0 && <span key={i} style={{ left: `${(100 * (i + 1)) / bins.length}%` }}>{figure(edge)}</span>)}
      </div>
    </section>
  );
}

/** What came in of the last season, and errors against labels. */
function Quality({ drift }: { drift: Drift }) {
  const of = (n: number): string => (drift.rows ? `${share(n / drift.rows)} (${short(n)})` : "—");
  return (
    <Card title="What came in" note={`last ${lasting(drift.season_s)}`}>
      <Facts
        rows={[
          ["Rows", short(drift.rows)],
          ["Not scored", `${of(drift.bad)}: a bad or missing input`],
          ["Filled in", of(drift.filled)],
          ["Uncertain", of(drift.uncertain)],
          drift.late > 0 && ["Too late", `${short(drift.late)}, not counted`],
          ["Wrong, by labels", drift.error === null ? "nobody has said" : <span class={drift.error_alarmed ? "tone-bad" : ""}>{`${percent(drift.error)}${drift.error_usual === null ? "" : `, usually ${percent(drift.error_usual)}`}`}</span>],
          ["Watched", `${whole(drift.devices)} devices singly${drift.unwatched ? `, ${whole(drift.unwatched)} more together only` : ""}`],
        ]}
      />
    </Card>
  );
}
