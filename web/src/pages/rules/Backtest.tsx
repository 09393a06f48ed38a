// Rules over the node's past: pick a time, watch it work, see what would have fired.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ApiError, get, send } from "~/lib/api";
import { percent, short, spoken, whole } from "~/lib/format";
import { exact, lasting, moment, ms } from "~/lib/time";
import { converter, unit } from "~/lib/units";
import { Badge, Button, Card, Empty, ErrorNote, Meter, Segment } from "~/parts/basic";
import { Chart, type Line, type Mark } from "~/parts/Chart";
import { Table } from "~/parts/Table";
import type { AlertTold, Panel, Result, Run, Span } from "./types";

const SPANS = [
  ["-1h", "1 hour"],
  ["-24h", "1 day"],
  ["-7d", "7 days"],
  ["-30d", "30 days"],
] as const;
type Span_ = (typeof SPANS)[number][0];
const LOOK_MS = 400;

/** what: a text, or the name of a rule that is here. */
export function Backtest({ what, isReady = true }: { what: { text: string } | { rule: string }; isReady?: boolean }) {
  const [span, setSpan] = useState<Span_>("-24h");
  const [run, setRun] = useState<Run | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const alive = useRef(true);
  useEffect(() => () => void (alive.current = false), []);
  useEffect(() => {
    if (run?.state !== "running") return;
    const timer = setTimeout(async () => {
      try {
        const found = await get<Run>(`rules/backtest/${run.id}`);
        if (alive.current) setRun(found);
      } catch (failure) {
        if (failure instanceof ApiError && failure.status === 0 && alive.current) setRun({ ...run }); // not reached: ask again
        else if (alive.current) fail(failure);
      }
    }, LOOK_MS);
    return () => clearTimeout(timer);
  }, [run]);
  const fail = (failure: unknown): void => {
    setRun(null);
    setError(failure instanceof ApiError ? failure : new ApiError(0, String(failure)));
  };
  const start = async (): Promise<void> => {
    setError(null);
    try {
      setRun(await send<Run>("POST", "rules/backtest", { ...what, from: span }));
    } catch (failure) {
      fail(failure);
    }
  };
  const isRunning = run?.state === "running";
  return (
    <Card
      title="Try on the past"
      note="what would have fired, from this node's own readings"
      actions={
        <>
          <Segment label="Span" value={span} choices={SPANS} onChange={setSpan} />
          {isRunning ? (
            <Button onClick={() => void send<Run>("DELETE", `rules/backtest/${run.id}`).then(setRun, fail)}>Cancel</Button>
          ) : (
            <Button look="main-action" icon="play" needs="operator" disabled={!isReady} onClick={() => void start()}>
              Run
            </Button>
          )}
        </>
      }
    >
      {error && <ErrorNote error={error} />}
      {isRunning && (
        <div class="stack" role="status">
          <Meter part={run.share} label="Done" />
          <p class="soft small">{`${percent(run.share)} of the time, ${short(run.readings)} readings`}</p>
        </div>
      )}
      {run?.state === "failed" && <ErrorNote error={new ApiError(500, run.error, run.hint)} />}
      {run?.state === "cancelled" && <p class="soft">Cancelled.</p>}
      {run?.state === "done" && run.result && <Outcome result={run.result} took={run.took_s} />}
      {!run && !error && (
        <p class="soft small">
          It runs beside the node at the lowest priority, one at a time, and changes nothing.
        </p>
      )}
    </Card>
  );
}

function Outcome({ result, took }: { result: Result; took: number }) {
  const { report, panels, compared } = result;
  const total = report.rules.reduce((sum, one) => sum + one.alerts, 0);
  return (
    <div class="stack">
      <p>
        <strong>{`${whole(total)} ${total === 1 ? "alert" : "alerts"}`}</strong>
        {` over ${lasting((report.to_ns - report.from_ns) / 1e9)}. `}
        <span class="soft">
          {`${short(report.readings)} readings of ${whole(report.series)} series in ${lasting(took)}: ${short(report.readings / Math.max(report.wall_s, 1e-3))} readings/s.`}
        </span>
      </p>
      {compared && (
        <div class="row">
          <Badge>{`${whole(result.same)} as with the rule at work`}</Badge>
          <Badge mood={result.gone.length ? "info" : ""}>{`${whole(result.gone.length)} no more`}</Badge>
          <Badge mood={result.new.length ? "warn" : ""}>{`${whole(result.new.length)} new`}</Badge>
        </div>
      )}
      {report.unread.length > 0 && <p class="soft">{`Found nothing to read: ${report.unread.join(", ")}.`}</p>}
      {Object.entries(report.results).map(([name, count]) => (
        <p key={name} class="soft">{`${name}: ${whole(count)} results`}</p>
      ))}
      {Object.entries(report.commands).map(([name, count]) => (
        <p key={name} class="soft">{`Command ${name}: ${whole(count)} would have been sent`}</p>
      ))}
      {report.notes.map((note) => (
        <p key={note} class="soft">{note}</p>
      ))}
      {panels.map((panel) => (
        <Picture key={`${panel.rule}/${panel.part}/${panel.node}/${panel.device}`} panel={panel} span={[ms(report.from_ns), ms(report.to_ns)]} compared={compared} />
      ))}
      <Alerts result={result} />
    </div>
  );
}

/** Lowest and highest of each point, so that no peak is lost; last values where they are one. */
function drawn(panel: Panel, span: readonly [number, number]): { times: number[]; lines: Line[]; levels: { value: number; label: string }[] } {
  const step = panel.ts_ms.length > 1 ? Math.min(...panel.ts_ms.slice(1).map((at, i) => at - (panel.ts_ms[i] ?? at))) : 1000;
  const isWide = panel.columns.some((column) => column.low.some((v, i) => v !== column.high[i]));
  const times = [span[0], ...(isWide ? panel.ts_ms.flatMap((at) => [at, at + step / 2]) : panel.ts_ms), span[1]];
  const levels = panel.limits.map(({ column, value, clears }) => ({
    value: converter(panel.columns[column]?.unit ?? "")(value),
    label: clears ? "ends" : "limit",
  }));
  const lines: Line[] = panel.columns.map(({ name, unit: of, last, low, high }) => {
    const shown = converter(of), spoken_ = (v: number | null | undefined): number | null => (v === null || v === undefined ? null : shown(v));
    const values = isWide ? low.flatMap((v, i) => [spoken_(v), spoken_(high[i])]) : last.map(spoken_);
    return { name, unit: of, values: [null, ...values, null] };
  });
  return { times, lines, levels };
}

function Picture({ panel, span, compared }: { panel: Panel; span: readonly [number, number]; compared: boolean }) {
  const { times, lines, levels } = useMemo(() => drawn(panel, span), [panel]);
  const marks = useMemo<Mark[]>(
    () => panel.spans.map((one) => ({ from: ms(one.raised), to: one.cleared === null ? span[1] : ms(one.cleared), mood: one.severity === "info" ? "info" : one.severity === "warning" ? "warn" : "bad", label: "alert" })),
    [panel],
  );
  const place = panel.device || panel.node || "all";
  return (
    <figure class="backtest">
      <figcaption class="row apart">
        <strong class="wrap">{place}</strong>
        <span class="legend">
          {panel.columns.map((column, i) => (
            <span key={column.name} class={`legend-${(i % 8) + 1}`}>
              <i />
              {unit(column.unit) ? `${column.name} (${unit(column.unit)})` : column.name}
            </span>
          ))}
          {panel.limits.map((limit) => (
            <span key={`${limit.value}${limit.clears}`} class="legend-limit">
              <i />
              {`${limit.clears ? "ends at" : "limit"} ${spoken(limit.value, panel.columns[limit.column]?.unit ?? "")}`}
            </span>
          ))}
        </span>
      </figcaption>
      <Chart label={`${panel.rule} at ${place}: ${panel.alerts} alerts`} times={times} lines={lines} marks={marks} levels={levels} height={200} />
      <Strip name={compared ? "this text" : "alerts"} spans={panel.spans} span={span} />
      {compared && <Strip name="at work" spans={panel.old} span={span} isOld />}
    </figure>
  );
}

/** When alerts were open, as a bar. */
function Strip({ name, spans, span, isOld = false }: { name: string; spans: readonly Span[]; span: readonly [number, number]; isOld?: boolean }) {
  const x = (at: number): number => Math.min(1000, Math.max(0, ((at - span[0]) / (span[1] - span[0])) * 1000));
  return (
    <div class="strip">
      <span>{name}</span>
      <svg viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label={`${name}: open ${spans.length} times`}>
        <rect class="ground" x="0" y="0" width="1000" height="10" />
        {spans.map((one) => {
          const from = x(ms(one.raised)), to = x(one.cleared === null ? span[1] : ms(one.cleared));
          return <rect key={one.raised} class={isOld ? "old" : one.severity} x={from} y="0" width={Math.max(2, to - from)} height="10" />;
        })}
      </svg>
    </div>
  );
}

interface Listed extends AlertTold {
  id: string;
  what: "" | "new" | "no more";
}

function Alerts({ result }: { result: Result }) {
  const rows = useMemo<Listed[]>(() => {
    const key = (one: AlertTold): string => `${one.rule}/${one.node}/${one.device}/${one.raised}`;
    const fresh = new Set(result.new.map(key));
    const now = result.report.alerts.map((one): Listed => ({ ...one, id: key(one), what: result.compared && fresh.has(key(one)) ? "new" : "" }));
    return [...now, ...result.gone.map((one): Listed => ({ ...one, id: `-${key(one)}`, what: "no more" }))].sort((a, b) => b.raised - a.raised);
  }, [result]);
  if (!rows.length) return <Empty title="Nothing would have fired.">Is the limit where you mean it, and the span long enough?</Empty>;
  return (
    <>
      <Table
        label="Alerts that would have been raised"
        rows={rows}
        id={(row) => row.id}
        maxHeight="22rem"
        columns={[
          { name: "Raised", cell: (row) => <span class="nowrap" title={exact(row.raised)}>{moment(row.raised)}</span>, sort: (row) => row.raised },
          { name: "For", cell: (row) => <span class="nowrap">{row.cleared === null ? "still open" : lasting((row.cleared - row.raised) / 1e9)}</span>, sort: (row) => (row.cleared ?? Infinity) - row.raised },
          { name: "Device", cell: (row) => <span class="nowrap">{row.device || row.node}</span>, sort: (row) => row.device },
          { name: "Message", cell: (row) => <span class="one-line">{row.message}</span>, wideOnly: true },
          ...(result.compared ? [{ name: "Beside", wideOnly: false, cell: (row: Listed) => (row.what ? <Badge mood={row.what === "new" ? "warn" : "info"}>{row.what}</Badge> : <span class="faint nowrap">as before</span>), sort: (row: Listed) => row.what }] : []),
        ]}
      />
      {result.cut && <p class="soft small">There are more than are listed here.</p>}
    </>
  );
}
