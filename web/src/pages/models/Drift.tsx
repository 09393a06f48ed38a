// Whether the data is still like that of training: each feature then and now, and how its distance went.
import { useMemo } from "preact/hooks";
import { figure, percent, short } from "~/lib/format";
import { usePlace } from "~/lib/place";
import { ago, exact, ms } from "~/lib/time";
import { Badge, Card, Empty, Facts } from "~/parts/basic";
import { Chart } from "~/parts/Chart";
import { Table, type Column } from "~/parts/Table";
import type { Detail, DriftRow } from "./types";
import { begun, DRIFT } from "./words";

const keyOf = (one: DriftRow): string => `${one.kind}/${one.device}/${one.name}`;
const KINDS: Record<DriftRow["kind"], string> = { feature: "", prediction: "what it says", quality: "data quality", error: "errors against labels" };

/** The one that is shown if nobody chose: what drifts, then what is farthest. */
const farthest = (rows: readonly DriftRow[]): DriftRow | undefined =>
  [...rows].sort((a, b) => Number(b.state === "drifting") - Number(a.state === "drifting") || (b.psi ?? -1) / (b.limit || 1) - (a.psi ?? -1) / (a.limit || 1))[0];

export function DriftTab({ detail }: { detail: Detail }) {
  const [place, change] = usePlace();
  const rows = detail.drift, chosen = rows.find((one) => keyOf(one) === place.get("of")) ?? farthest(rows);
  if (!chosen) {
    return (
      <Card title="Drift">
        <Empty title="Nothing is watched.">Drift is watched once the model has scored for a while, or at once where its card has a baseline.</Empty>
      </Card>
    );
  }
  return (
    <div class="drift-columns">
      <Card title="What is watched" note={`${rows.length}`} flush>
        <Table
          label="What is watched"
          rows={rows}
          columns={COLUMNS}
          id={keyOf}
          rowHeight={52}
          sortBy="State"
          selected={keyOf(chosen)}
          onOpen={(one) => change({ of: keyOf(one) })}
          isKeyed
        />
      </Card>
      <One key={keyOf(chosen)} one={chosen} />
    </div>
  );
}

const ORDER = { drifting: "0", unknown: "1", ok: "2" } as const;
const COLUMNS: Column<DriftRow>[] = [
  {
    name: "Feature",
    sort: (one) => one.name,
    cell: (one) => (
      <span class="model-name">
        <strong class="wrap">{one.name}</strong>
        {(one.device || KINDS[one.kind]) && <small>{[one.device, KINDS[one.kind]].filter(Boolean).join(", ")}</small>}
      </span>
    ),
  },
  { name: "State", sort: (one) => ORDER[one.state] + String(9 - (one.psi ?? 0)), cell: (one) => <Badge mood={DRIFT[one.state][0]} {...(one.words ? { title: one.words } : {})}>{DRIFT[one.state][1]}</Badge> },
  { name: "PSI of limit", sort: (one) => -(one.psi ?? -1), cell: (one) => <Psi one={one} /> },
  { name: "Lately", wideOnly: true, cell: (one) => (one.trend.length > 1 ? <Trend one={one} /> : "") },
];

function Psi({ one }: { one: DriftRow }) {
  if (one.psi === null) return <span class="faint">—</span>;
  const end = Math.max(one.limit * 2, one.psi * 1.05);
  return (
    <span class="budget-cell psi">
      <span class={`budget ${one.psi > one.limit ? "bad" : one.psi > one.limit / 2 ? "warn" : ""}`} role="img" aria-label={`PSI ${figure(one.psi)}, limit ${figure(one.limit)}`}>
        <i class="p50" style={{ width: `${Math.max(1.5, (100 * one.psi) / end)}%` }} />
        <i class="mark" style={{ left: `${(100 * one.limit) / end}%` }} />
      </span>
      <small>{figure(Math.round(one.psi * 1000) / 1000)}</small>
    </span>
  );
}

/** How its PSI went, on a scale that has room for its limit: what is steady looks steady. */
function Trend({ one }: { one: DriftRow }) {
  const values = one.trend.slice(-60).map(([, psi]) => psi), most = Math.max(one.limit * 1.3, ...values);
  const y = (psi: number): string => (30 - (28 * psi) / most).toFixed(1);
  const line = values.map((psi, i) => `${i ? "L" : "M"}${((100 * i) / (values.length - 1)).toFixed(1)} ${y(psi)}`).join("");
  return (
    <svg class="spark trend" viewBox="0 0 100 32" preserveAspectRatio="none" role="img" aria-label={`PSI of ${one.name} lately, limit ${figure(one.limit)}`}>
      <path class="area" d={`${line}L100 32L0 32Z`} />
      <path class="line" d={line} />
      <path class="limit" d={`M0 ${y(one.limit)}H100`} />
    </svg>
  );
}

function One({ one }: { one: DriftRow }) {
  const times = useMemo(() => one.trend.map(([ts]) => ms(ts)), [one.trend]);
  const lines = useMemo(() => [{ name: "PSI", values: one.trend.map(([, psi]) => psi) }], [one.trend]);
  const levels = useMemo(() => [{ value: one.limit, label: "limit" }], [one.limit]);
  return (
    <Card title={<span class="row"><span class="wrap">{one.name}</span><Badge mood={DRIFT[one.state][0]}>{DRIFT[one.state][1]}</Badge></span>}>
      <div class="stack">
        {one.words && <p class="wrap">{begun(one.words)}</p>}
        <Facts
          rows={[
            ["PSI", one.psi === null ? "too few rows" : `${figure(one.psi)}, limit ${figure(one.limit)}`],
            ["KS", one.ks === null ? "—" : `${figure(one.ks)}${one.ks_limit === null ? "" : `, limit ${figure(one.ks_limit)}`}`],
            ["Since", one.since_ns ? <span title={exact(one.since_ns)}>{ago(one.since_ns)}</span> : "—"],
            ["Rows looked at", short(one.rows)],
          ]}
        />
        {one.now.length > 0 && one.then.length === one.now.length && <Histogram one={one} />}
        {one.trend.length > 1 && (
          <section>
            <h3>How far it was from training</h3>
            <Chart label={`PSI of ${one.name}, limit ${figure(one.limit)}`} times={times} lines={lines} levels={levels} height={170} />
          </section>
        )}
      </div>
    </Card>
  );
}

/** What each bin holds, in words. */
function bins(one: DriftRow): string[] {
  const { edges } = one, inner = edges.slice(1).map((to, i) => `${figure(edges[i] ?? 0)} to ${figure(to)}`);
  return one.now.length === edges.length + 1 ? [`below ${figure(edges[0] ?? 0)}`, ...inner, `above ${figure(edges.at(-1) ?? 0)}`] : inner;
}

function Histogram({ one }: { one: DriftRow }) {
  const most = Math.max(0.01, ...one.then, ...one.now), names = bins(one), isOuter = one.now.length === one.edges.length + 1;
  const ticks = isOuter ? one.edges : one.edges.slice(1, -1);
  const every = Math.ceil(ticks.length / 9);
  const said = `${one.name}, share of rows in training and now: ${names.map((name, i) => `${name}: ${percent(one.then[i] ?? 0)}, ${percent(one.now[i] ?? 0)}`).join("; ")}`;
  return (
    <section>
      <div class="row apart">
        <h3>Then and now</h3>
        <span class="legend"><span class="model-key series-6"><i />in training</span><span class="model-key series-1"><i />now</span></span>
      </div>
      <div class="histogram" role="img" aria-label={said}>
        {names.map((name, i) => (
          <span key={name} class="bin" title={`${name}: ${percent(one.then[i] ?? 0)} in training, ${percent(one.now[i] ?? 0)} now`}>
            <i class="then" style={{ height: `${(100 * (one.then[i] ?? 0)) / most}%` }} />
            <i class="now" style={{ height: `${(100 * (one.now[i] ?? 0)) / most}%` }} />
          </span>
        ))}
      </div>
      <div class="ticks-of" aria-hidden="true">
        {ticks.map((edge, i) => i % every === 0 && <span key={edge} style={{ left: `${(100 * (i + 1)) / names.length}%` }}>{figure(edge)}</span>)}
      </div>
    </section>
  );
}
