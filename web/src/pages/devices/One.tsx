// One device: how it is, its values, what is missing, what was refused, what was commanded.
import { useEffect, useMemo, useState } from "preact/hooks";
import { Link, useLocation } from "wouter-preact";
import { status } from "~/app";
import { gapOf, type Told } from "~/lib/align";
import { bytes, percent, rate, spoken, whole, type Value } from "~/lib/format";
import { useWatch } from "~/lib/live";
import { useLoad } from "~/lib/load";
import { usePlace } from "~/lib/place";
import { ago, exact, lasting, moment, ms, now } from "~/lib/time";
import type { Series } from "~/lib/types";
import { unit } from "~/lib/units";
import { Change, type What } from "~/pages/devices/Change";
import { Commands } from "~/pages/devices/Commands";
import { linkTo, pathOf, refusedShare, stateMood, type Detail, type Device } from "~/pages/devices/model";
import { Profiles, Sources } from "~/pages/devices/Profile";
import { RefusedOf } from "~/pages/devices/Refused";
import { Strip } from "~/pages/devices/Strip";
import { Badge, Button, Card, Empty, ErrorNote, Facts, Loading, Page, Segment, Spark, Stat } from "~/parts/basic";
import { Chart, type Mark } from "~/parts/Chart";
import { Icon } from "~/parts/Icon";

const SPANS = { "15m": [900, "5s"], "1h": [3600, "30s"], "24h": [86_400, "10m"], "7d": [604_800, "1h"], "30d": [2_592_000, "6h"] } as const;
type Span = keyof typeof SPANS;
const MOST_DRAWN = 4, FRESH_MS = 1_200_000;
const MOST_LISTED = 60;

interface Column {
  series: string;
  unit: string;
  ts: number[];
  mean?: (number | null)[];
}
interface Answer {
  from_ns: number;
  to_ns: number;
  step_ns: number;
  series: Column[];
}

export function DevicePage({ name, node }: { name: string; node: string }) {
  const asked = useLoad<Detail>(pathOf(name), { node }, 5000);
  const [what, setWhat] = useState<What | null>(null);
  const [, go] = useLocation();
  if (asked.error && !asked.data) {
    return (
      <Page title={name} about={<Back />}>
        <ErrorNote error={asked.error} />
      </Page>
    );
  }
  if (!asked.data) return <Loading label="Loading the device" />;
  const { device, gaps } = asked.data;
  const isOwn = device.node === status.value?.node;
  return (
    <Page title={device.name} about={<Head device={device} />} actions={isOwn && <Actions device={device} onChoose={setWhat} />}>
      <Figures device={device} />
      <Values device={device} names={asked.data.series} gaps={gaps} />
      <div class="columns">
        <div class="stack">
          <Commands device={device} />
          <RefusedOf device={device} isOwn={isOwn} />
          <Profiles detail={asked.data} isOwn={isOwn} />
        </div>
        <div class="stack">
          <About device={device} isOwn={isOwn} />
          <Sources detail={asked.data} isOwn={isOwn} />
        </div>
      </div>
      {what && (
        <Change
          what={what}
          devices={[device]}
          onClose={() => setWhat(null)}
          onDone={(changed) => {
            const to = what === "rename" ? (changed.devices[0] ?? device.name) : device.name;
            if (to === device.name) asked.reload();
            else go(linkTo({ node: device.node, name: to }));
          }}
        />
      )}
    </Page>
  );
}

const Back = () => (
  <Link class="back nowrap" href="/devices">
    <Icon name="back" /> All devices
  </Link>
);

function Head({ device }: { device: Device }) {
  return (
    <span class="device-title">
      <Back />
      <Badge mood={stateMood(device.state)}>{device.state || "state not told"}</Badge>
      {device.status && <Badge mood={device.status === "new" ? "info" : ""}>{device.status}</Badge>}
      {device.over_budget && <Badge mood="bad">too much refused</Badge>}
      {device.labels.map((text) => (
        <Badge key={text}>{text}</Badge>
      ))}
    </span>
  );
}

function Actions({ device, onChoose }: { device: Device; onChoose: (what: What) => void }) {
  return (
    <>
      {device.status !== "accepted" && (
        <Button needs="admin" look="main-action" icon="check" onClick={() => onChoose("accept")}>
          Accept
        </Button>
      )}
      <Button needs="admin" onClick={() => onChoose("describe")}>Describe</Button>
      <Button needs="admin" onClick={() => onChoose("rename")}>Rename</Button>
      <Button needs="admin" onClick={() => onChoose("replace")}>Replace</Button>
      {device.status !== "retired" && (
        <Button needs="admin" look="danger" onClick={() => onChoose("retire")}>
          Retire
        </Button>
      )}
    </>
  );
}

function Figures({ device }: { device: Device }) {
  const share = refusedShare(device);
  return (
    <div class="grid figures">
      <Stat
        title="Last heard"
        value={ago(device.last_ns)}
        mood={device.state === "silent" ? "bad" : device.state === "late" ? "warn" : ""}
        note={device.interval_s === null ? "how often it sends isn't known yet" : `expected every ${lasting(device.interval_s)}`}
      />
      <Stat title="Messages" value={rate(device.rate)} unit="a minute" note={`${whole(device.messages)} so far, ${bytes(device.bytes)}`} />
      <Stat
        title="Refused"
        value={percent(share)}
        unit="of 24 h"
        mood={share > 0.1 || device.over_budget ? "bad" : share > 0.01 ? "warn" : ""}
        note={`${whole(device.refused)} refused, ${whole(device.repeats)} repeats${device.held ? `, ${whole(device.held)} kept until it's accepted` : ""}`}
      />
      <Stat
        title="Its clock"
        value={device.skew_s === null ? "—" : Math.abs(device.skew_s) < 0.5 ? "right" : lasting(device.skew_s)}
        mood={device.skew_s !== null && Math.abs(device.skew_s) > 60 ? "warn" : ""}
        note={clockNote(device.skew_s)}
      />
    </div>
  );
}

function clockNote(skew: number | null): string {
  if (skew === null) return "its messages tell no time";
  if (Math.abs(skew) < 0.5) return "within half a second of this node's";
  return skew < 0 ? "behind this node's" : "ahead of this node's";
}

/** Newest values, live; some of them drawn; and when it was silent. */
function Values({ device, names, gaps }: { device: Device; names: readonly string[]; gaps: Detail["gaps"] }) {
  const [place, change] = usePlace();
  const [isAll, setAll] = useState(false);
  const found = place.get("span") ?? "";
  // Of a device that was never heard before, an hour would be empty but for its end.
  const isFresh = now.peek() - ms(device.first_ns) < FRESH_MS;
  const span: Span = found in SPANS ? (found as Span) : isFresh ? "15m" : "1h";
  const [seconds, step] = SPANS[span];
  const known = useLoad<{ total: number; series: Series[] }>("series", { node: device.node, device: device.name, limit: 500 }, 15_000);
  const rows = useLive(device, known.data?.series ?? []);
  const numeric = useMemo(() => rows.filter((row) => row.kind !== "text" && names.includes(row.name)), [rows, names]);
  const chosen = place.get("draw")?.split("\n").filter((name) => numeric.some((row) => row.name === name)) ?? [];
  const drawn = chosen.length ? chosen : numeric.slice(0, 1).map((row) => row.name);
  const words = rows.filter((row) => row.kind === "text").map((row) => row.name);
  const kinds = new Map(numeric.map((row) => [row.name, row.kind === "int" ? "float" : row.kind])); // of steps means are shown
  const listed = isAll ? rows : rows.slice(0, MOST_LISTED);
  const asked = numeric.slice(0, isAll ? 50 : 20).map((row) => row.name);
  const answer = useLoad<Answer>(
    asked.length ? "query" : null,
    { series: [...new Set([...asked, ...drawn])], from: `-${span}`, to: "now", step, aggregates: "mean", site: false },
    seconds <= 3600 ? 15_000 : 60_000,
  );
  const lines = useMemo(() => (answer.data ? gridded(answer.data) : null), [answer.data]);
  const toggle = (name: string): void => {
    const next = drawn.includes(name) ? drawn.filter((one) => one !== name) : [...drawn, name].slice(-MOST_DRAWN);
    change({ draw: next.join("\n") });
  };
  const spans = Object.keys(SPANS).map((key) => [key as Span, key] as const);
  return (
    <Card
      title="Values"
      note={names.length ? `${whole(names.length)} series` : undefined}
      actions={
        <>
          <Link class="button quiet" href={`/charts?${new URLSearchParams((drawn.length ? [...drawn, ...words] : words).slice(0, 20).map((name) => ["series", name])).toString()}`}>
            Open in Charts
          </Link>
          <Segment label="Time shown" value={span} choices={spans} onChange={(to) => change({ span: to })} />
        </>
      }
    >
      {known.data && rows.length === 0 ? (
        <Empty title="Nothing of it is stored.">
          {device.status === "new" && device.held ? "Its messages are kept until somebody accepts it." : "Look at what was refused, below."}
        </Empty>
      ) : (
        <div class="stack">
          {!lines && asked.length > 0 && (
            <div class="chart-wait">{answer.error ? <ErrorNote error={answer.error} /> : <Loading label="Loading the past" />}</div>
          )}
          {lines && drawn.length > 0 && (
            <Chart
              label={`${drawn.map((name) => metricOf(name, device)).join(", ")} over the last ${span}`}
              times={lines.times}
              lines={drawn.map((name) => ({ name: metricOf(name, device), values: lines.of.get(name) ?? [], kind: kinds.get(name) ?? "" }))}
              marks={gaps.filter((gap) => ms(gap.to_ns) > (lines.times[0] ?? 0)).slice(0, 50).map(marked)}
              height={220}
            />
          )}
          <Strip device={device} gaps={gaps} seconds={seconds} />
          <div role="group" aria-label="Series">
            {listed.map((row) => {
              const at = drawn.indexOf(row.name);
              return (
                <SeriesRow key={row.name} row={row} device={device} place={at} values={lines?.of.get(row.name)} canDraw={row.kind !== "text"} onToggle={() => toggle(row.name)} />
              );
            })}
          </div>
          {rows.length > listed.length && <Button onClick={() => setAll(true)}>{`Show all ${whole(rows.length)}`}</Button>}
        </div>
      )}
    </Card>
  );
}

/** Series with the values that come in meanwhile. */
function useLive(device: Device, series: readonly Series[]): Series[] {
  const [told, setTold] = useState<ReadonlyMap<string, Partial<Series>>>(new Map());
  useEffect(() => setTold(new Map()), [device.name, device.node]);
  useWatch<{ series: (Partial<Series> & { name: string; value: Value })[] }>(
    "last",
    { series: [`${device.node}/${device.name}/*`], limit: 500 },
    ({ series: fresh }) => setTold((was) => {
        const next = new Map(was);
        for (const one of fresh) next.set(one.name, one);
        return next;
      }),
  );
  return useMemo(() => series.map((row) => ({ ...row, ...(newer(told.get(row.name), row) ? told.get(row.name) : {}) })), [series, told]);
}

const newer = (one: Partial<Series> | undefined, than: Series): boolean => Boolean(one?.ts && one.ts >= (than.ts ?? 0));

function SeriesRow(props: {
  row: Series;
  device: Device;
  place: number;
  values: Told[] | undefined;
  canDraw: boolean;
  onToggle: () => void;
}) {
  const { row, place } = props;
  const sign = unit(row.unit);
  return (
    <button
      type="button"
      class={`series-row ${place >= 0 ? `series-${place + 1}` : "series-off"}`}
      aria-pressed={place >= 0}
      disabled={!props.canDraw}
      onClick={props.onToggle}
      title={`${row.name}, ${exact(row.ts ?? 0)}`}
    >
      <i aria-hidden="true" />
      <span class="metric">
        {metricOf(row.name, props.device)}
        <small>{row.ts ? ago(row.ts) : "nothing since the node started"}</small>
      </span>
      {props.values ? <Spark values={props.values} label={`Course of ${row.metric}`} /> : <span class="spark" />}
      <span class="value">
        {spoken(row.value, row.unit)}
        {sign && typeof row.value === "number" && ` ${sign}`}
        {row.quality && row.quality !== "good" && <small class={row.quality === "bad" ? "tone-bad" : "tone-warn"}>{`${row.quality}${row.reason ? `: ${row.reason.replaceAll("_", " ")}` : ""}`}</small>}
      </span>
    </button>
  );
}

/** A series' name without what is the same for the whole device. */
function metricOf(name: string, device: Device): string {
  const base = `${device.node}/${device.name}/`;
  return name.startsWith(base) ? name.slice(base.length) : name;
}

function marked(gap: Detail["gaps"][number]): Mark {
  return { from: ms(gap.from_ns), to: ms(gap.to_ns || now.peek() * 1e6), mood: gap.down_s > 0 ? "info" : "warn", label: "no messages" };
}

/** Steps without any reading are gaps, but where it always sends more rarely than there are steps. */
function gridded(answer: Answer): { times: number[]; of: Map<string, Told[]> } {
  const first = Math.min(...answer.series.flatMap((one) => one.ts.slice(0, 1))), step = answer.step_ns;
  if (!Number.isFinite(first)) return { times: [], of: new Map() };
  const start = first - Math.floor((first - answer.from_ns) / step) * step;
  const count = Math.min(4000, Math.max(1, Math.floor((answer.to_ns - start) / step) + 1));
  const times = Array.from({ length: count }, (_, i) => ms(start + i * step));
  const of = new Map<string, Told[]>();
  for (const one of answer.series) {
    const values = new Array<Told>(count).fill(null), gap = Math.max(gapOf(one.ts), 1.5 * step);
    one.ts.forEach((at, i) => {
      const place = Math.round((at - start) / step);
      if (place < 0 || place >= count) return;
      values[place] = one.mean?.[i] ?? null;
      const before = one.ts[i - 1];
      if (before !== undefined && at - before <= gap) values.fill(undefined, Math.max(0, Math.round((before - start) / step) + 1), place);
    });
    of.set(one.series, values);
  }
  return { times, of };
}

function About({ device, isOwn }: { device: Device; isOwn: boolean }) {
  return (
    <Card title="About it">
      <Facts
        rows={[
          ["Node", device.node],
          !isOwn && ["Changes", "are made at its own node"],
          !isOwn && device.told_ns > 0 && ["Told", ago(device.told_ns)],
          ["Calls itself", <span class="mono">{device.hardware || "—"}</span>],
          device.former.length > 0 && ["Former names", device.former.join(", ")],
          device.replaced.length > 0 && ["Hardware before", device.replaced.join(", ")],
          ["First heard", device.first_ns ? `${moment(device.first_ns)}` : "never"],
          ["Last heard", device.last_ns ? `${moment(device.last_ns)}` : "never"],
          ["Readings", whole(device.readings)],
          ["Labels", device.labels.join(", ") || "—"],
          ["Note", device.note || "—"],
        ]}
      />
    </Card>
  );
}
