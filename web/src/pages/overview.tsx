// The state of the site at a glance.
import { useEffect, useMemo, useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { status as shared } from "~/app";
import { siteOf } from "~/lib/api";
import { bytes, rate, short, whole } from "~/lib/format";
import { useWatch } from "~/lib/live";
import { useLoad } from "~/lib/load";
import { ago, exact, lasting } from "~/lib/time";
import type { Alert, Status } from "~/lib/types";
import { Badge, Card, Empty, ErrorNote, Facts, Loading, Meter, type Mood, Page, Spark, Stat } from "~/parts/basic";
import { FirstDevice } from "~/parts/FirstDevice";
import { history, recent, took, type Rates } from "./overview/rates";
import { HEALTH, millis, MOODS } from "./models/words";
import type { Row as Model } from "./models/types";
import "./overview/overview.css";

const LANES = ["critical", "normal", "bulk", "critical, stays here", "normal, stays here", "bulk, stays here"];
const STATES = ["online", "late", "silent", "never", "unknown"] as const;
const SEVERITY: Record<string, Mood> = { critical: "bad", warning: "warn", info: "info" };
const LEVEL: Record<string, Mood> = { green: "", yellow: "warn", orange: "warn", red: "bad" };

interface Ledger {
  balanced: boolean;
  messages: { received: number; accepted: number; rejected: Record<string, number>; residual: number };
  lanes: { lane: number; committed: number; delivered: number; pending: number; kept: number; shed: Record<string, number>; residual: number }[];
}

interface Device {
  name: string;
  node: string;
  state: string;
  last_ns: number;
  interval_s: number | null;
}

interface Adapter {
  name: string;
  kind: string;
  state: string;
  detail: string;
  error: string;
  hint: string;
}

interface Clock {
  trust: string;
  synchronised: boolean | null;
  steps: number;
  estimated: number;
  devices: { device: string; skew_s: number }[];
}

export default function Overview() {
  const asked = useLoad<Status>("status", {}, 10_000);
  const status = shared.value ?? asked.data;
  useEffect(() => {
    if (status) took(status);
  }, [status]);
  if (!status) return asked.error ? <ErrorNote error={asked.error} /> : <Loading />;
  return <Glance status={status} />;
}

function Glance({ status }: { status: Status }) {
  const alerts = useAlerts();
  const devices = useDevices();
  const clock = useLoad<Clock>("clock", { limit: 1 }, 15_000).data;
  const reasons = useReasons();
  return (
    <Page title={status.node} about={<Head status={status} reasons={reasons} />}>
      <div class="ov-tiles">
        <Rate title="Readings" of="readings" unit="/s" note={`${short(status.counters["readings_accepted"] ?? 0)} in all, ${short(status.series)} series`} />
        <Rate title="Messages" of="messages" unit="/s" note={<Refused status={status} />} />
        <DeviceStat devices={devices} />
        <AlertStat alerts={alerts} />
        <LinkStat status={status} />
        <BacklogStat status={status} />
        <Stat title="Journal" value={bytes(status.journal.used_bytes)} mood={LEVEL[status.journal.level] ?? "bad"}
          note={`of ${bytes(status.journal.quota_bytes)}, level ${status.journal.level}; ${bytes(status.journal.bytes)} on disk`}>
          <Meter part={status.journal.used_bytes / status.journal.quota_bytes} label="Journal's quota in use" mood={LEVEL[status.journal.level] ?? "bad"} />
        </Stat>
        {clock && <ClockStat clock={clock} />}
      </div>
      <div class="ov-two">
        <div class="stack">
          <OpenAlerts alerts={alerts} />
          <Unwell devices={devices} />
        </div>
        <div class="stack">
          <Balance hasParent={status.link !== null} />
          <Models />
          <Connections status={status} />
          {status.children.length > 0 && <Children names={status.children} devices={devices} />}
        </div>
      </div>
    </Page>
  );
}

/** Why no traffic should be sent here. `/readyz` lies beside the API and answers 503 with its reasons. */
function useReasons(): string[] {
  const [reasons, setReasons] = useState<string[]>([]);
  useEffect(() => {
    const ask = async (): Promise<void> => {
      if (document.hidden || siteOf() !== null) return;
      try {
        setReasons(((await (await fetch("/readyz")).json()) as { reasons: string[] }).reasons);
      } catch {
        // the frame says that the node isn't reached
      }
    };
    void ask();
    const timer = setInterval(() => void ask(), 5000);
    return () => clearInterval(timer);
  }, []);
  return reasons;
}

function Head({ status, reasons }: { status: Status; reasons: string[] }) {
  return (
    <span class="ov-head">
      {reasons.length ? <Badge mood="bad">{`not ready: ${reasons.join("; ")}`}</Badge> : <Badge mood="good">ready</Badge>}
      <span title={exact(status.started_ns)}>{`Holdfast ${status.version}, up ${lasting(status.uptime_s)}`}</span>
    </span>
  );
}

function useAlerts(): Alert[] | null {
  const [open, setOpen] = useState<Map<number, Alert> | null>(null);
  useWatch<{ changed: Alert[] }>("alerts", {}, ({ changed }) => {
    setOpen((was) => {
      const next = new Map(was ?? []);
      for (const one of changed) {
        if (one.state === "open") next.set(one.id, one);
        else next.delete(one.id);
      }
      return next;
    });
  });
  return useMemo(() => open && [...open.values()].sort((a, b) => b.raised_ns - a.raised_ns), [open]);
}

function useDevices(): Device[] | null {
  const [known, setKnown] = useState<Map<string, Device> | null>(null);
  useWatch<{ changed: Device[] }>("devices", { limit: 5000, every_ms: 2000 }, ({ changed }) => {
    setKnown((was) => {
      const next = new Map(was ?? []);
      for (const one of changed) next.set(`${one.node}/${one.name}`, one);
      return next;
    });
  });
  return useMemo(() => known && [...known.values()], [known]);
}

function Rate({ title, of, unit, note }: { title: string; of: keyof Rates; unit: string; note: preact.ComponentChildren }) {
  const values = history.value.map((one) => one[of]);
  return (
    <Stat title={title} value={rate(recent(of))} unit={unit} note={note}>
      <Spark values={smoothed(values)} label={`${title} a second over the last five minutes`} fromZero />
    </Stat>
  );
}

/** Commits come in bursts: a moving mean of three shows the rate, not their rhythm. */
function smoothed(values: number[]): number[] {
  return values.map((_, i) => {
    const some = values.slice(Math.max(0, i - 2), i + 1);
    return some.reduce((sum, one) => sum + one, 0) / some.length;
  });
}

function Refused({ status }: { status: Status }) {
  const kinds = Object.entries(status.counters).filter(([name, n]) => name.startsWith("messages_rejected.") && n > 0);
  const all = kinds.reduce((sum, [, n]) => sum + n, 0);
  if (!all) return <>none was refused</>;
  return <span title={kinds.map(([name, n]) => `${name.split(".")[1]}: ${whole(n)}`).join("\n")}>{`${whole(all)} refused so far`}</span>;
}

function DeviceStat({ devices }: { devices: Device[] | null }) {
  if (!devices) return <Stat title="Devices" value="…" />;
  const count = new Map<string, number>();
  for (const one of devices) count.set(one.state || "unknown", (count.get(one.state || "unknown") ?? 0) + 1);
  const held = STATES.filter((state) => count.get(state));
  return (
    <Stat title="Devices" value={whole(devices.length)}>
      <div class="ov-states" aria-hidden="true">
        {held.map((state) => (
          <i key={state} class={state} style={{ flexGrow: count.get(state) ?? 0 }} />
        ))}
      </div>
      <p class="ov-words">
        {held.length
          ? held.map((state) => (
              <span key={state}>
                <b>{whole(count.get(state) ?? 0)}</b>
                {` ${state}`}
              </span>
            ))
          : "none has sent anything yet"}
      </p>
    </Stat>
  );
}

function AlertStat({ alerts }: { alerts: Alert[] | null }) {
  if (!alerts) return <Stat title="Open alerts" value="…" />;
  const critical = alerts.filter((one) => one.severity === "critical").length;
  const alone = alerts.filter((one) => !one.acknowledged_ns).length;
  const mood = critical ? "bad" : alerts.length ? "warn" : "";
  const note = alerts.length ? `${critical} critical; ${alone} that nobody deals with` : "all is calm";
  return <Stat title="Open alerts" value={whole(alerts.length)} mood={mood} note={note} />;
}

function LinkStat({ status }: { status: Status }) {
  const { link } = status;
  if (!link) return <Stat title="Link" value="none" note="This node has no parent: what is here stays here." />;
  const pace = [`pace ${link.pace}`, link.goodput_bps ? `${bytes(link.goodput_bps / 8)}/s` : "", link.rtt_s ? `${lasting(link.rtt_s)} round trip` : ""];
  return (
    <Stat title="Link" value={link.state} mood={link.state === "up" ? "" : "bad"}
      note={link.state === "up" ? pace.filter(Boolean).join(", ") : link.detail}>
      <Spark values={smoothed(history.value.map((one) => one.sent))} label="Bytes sent a second over the last five minutes" fromZero />
    </Stat>
  );
}

function BacklogStat({ status }: { status: Status }) {
  if (!status.link) return null;
  const rows = status.backlog.reduce((sum, n) => sum + n, 0);
  const held = status.backlog.flatMap((n, lane) => (n ? [[LANES[lane] ?? String(lane), n] as const] : []));
  return (
    <Stat title="Waits for the parent" value={short(rows)} unit="rows" mood={status.backlog[0] && status.link.state !== "up" ? "warn" : ""}>
      <p class="ov-words">
        {held.length
          ? held.map(([name, n]) => (
              <span key={name}>
                <b>{short(n)}</b>
                {` ${name}`}
              </span>
            ))
          : "the parent has everything"}
      </p>
    </Stat>
  );
}

function ClockStat({ clock }: { clock: Clock }) {
  const mood: Mood = clock.trust === "trusted" ? "" : clock.trust === "unset" ? "bad" : "warn";
  const worst = clock.devices[0];
  const said = { trusted: "An authority keeps it right.", unset: "It was never set: rows are stamped provisionally." }[clock.trust];
  const skew = worst && Math.abs(worst.skew_s) >= 1 ? ` Farthest device: ${worst.device}, ${lasting(worst.skew_s)}.` : "";
  return <Stat title="Clock" value={clock.trust} mood={mood} note={`${said ?? "Nothing confirms it now."}${skew}`} />;
}

function OpenAlerts({ alerts }: { alerts: Alert[] | null }) {
  const shown = [...(alerts ?? [])].sort((a, b) => rank(a) - rank(b) || b.raised_ns - a.raised_ns).slice(0, 7);
  return (
    <Card title="Open alerts" note={alerts && alerts.length > shown.length ? `${shown.length} of ${alerts.length}` : undefined}
      actions={<Link href="/alerts">All alerts</Link>} flush>
      {!alerts ? <Loading /> : !shown.length ? <Empty title="Nothing is wrong.">No rule has an open alert.</Empty> : (
        <ul class="ov-list">
          {shown.map((one) => (
            <li key={one.id}>
              <Badge mood={SEVERITY[one.severity] ?? ""}>{one.severity}</Badge>
              <p title={one.message}>
                <Link href={`/alerts/${one.id}`}>{one.message || `${one.device}: ${one.rule}`}</Link>
                {one.acknowledged_ns > 0 && <span class="soft">{` · ${one.acknowledged_by} deals with it`}</span>}
              </p>
              <time title={exact(one.raised_ns)}>{ago(one.raised_ns)}</time>
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}

const rank = (one: Alert): number => (one.acknowledged_ns ? 3 : 0) + (one.severity === "critical" ? 0 : one.severity === "warning" ? 1 : 2);

function Balance({ hasParent }: { hasParent: boolean }) {
  const { data, error } = useLoad<Ledger>("ledger", {}, 10_000);
  const lanes = (data?.lanes ?? []).filter((one) => one.lane < 3 || one.committed);
  const shed = (one: Ledger["lanes"][number]): number => Object.values(one.shed).reduce((sum, n) => sum + n, 0);
  const note = data ? (data.balanced ? <Badge mood="good">balanced</Badge> : <Badge mood="bad">doesn't balance</Badge>) : undefined;
  return (
    <Card title="Where every row is" actions={note} flush>
      {error ? <ErrorNote error={error} /> : !data ? <Loading /> : (
        <div class="ov-scroll" tabIndex={0} role="region" aria-label="Rows by lane">
          <table class="ov-ledger">
            <thead>
              <tr>
                <th scope="col">Lane</th>
                <th scope="col">Committed</th>
                {hasParent && <th scope="col">Delivered</th>}
                {hasParent && <th scope="col">Waiting</th>}
                <th scope="col">Shed</th>
                <th scope="col">Kept</th>
                <th scope="col" title="What is left over: 0, or something is wrong">Residual</th>
              </tr>
            </thead>
            <tbody>
              {lanes.map((one) => (
                <tr key={one.lane}>
                  <td>{LANES[one.lane] ?? one.lane}</td>
                  <td>{whole(one.committed)}</td>
                  {hasParent && <td>{whole(one.delivered)}</td>}
                  {hasParent && <td>{whole(one.pending)}</td>}
                  <td title={Object.entries(one.shed).map(([why, n]) => `${why}: ${whole(n)}`).join("\n")}>{whole(shed(one))}</td>
                  <td>{whole(one.kept)}</td>
                  <td class={one.residual ? "wrong" : "zero"}>{whole(one.residual)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Card>
  );
}

function Unwell({ devices }: { devices: Device[] | null }) {
  const unwell = (devices ?? []).filter((one) => one.state === "silent" || one.state === "late");
  const shown = unwell.sort((a, b) => (a.state === b.state ? b.last_ns - a.last_ns : a.state === "silent" ? -1 : 1)).slice(0, 7);
  return (
    <Card title="Devices that are missed" note={unwell.length > shown.length ? `${shown.length} of ${unwell.length}` : undefined}
      actions={<Link href="/devices">All devices</Link>} flush>
      {!devices ? <Loading /> : !shown.length ? (
        devices.length ? <Empty title="All devices are heard." /> : <FirstDevice />
      ) : (
        <ul class="ov-list">
          {shown.map((one) => (
            <li key={`${one.node}/${one.name}`}>
              <Badge mood={one.state === "silent" ? "bad" : "warn"}>{one.state}</Badge>
              <p>
                <Link href={`/devices/${encodeURIComponent(one.name)}`}>{one.name}</Link>
                {one.interval_s !== null && <span class="soft">{` · usually every ${lasting(one.interval_s)}`}</span>}
              </p>
              <time title={exact(one.last_ns)}>{ago(one.last_ns)}</time>
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}

const WAY: Record<string, Mood> = { working: "good", up: "good", starting: "info", paused: "warn", stopped: "warn", failing: "bad", down: "bad" };

function Connections({ status }: { status: Status }) {
  const { data } = useLoad<Adapter[]>("adapters", {}, 5000);
  const ways = [
    ...(data ?? []).map((one) => ({ name: one.name, what: one.error || one.detail, state: one.state })),
    ...status.routes.map((one) => ({ name: `route ${one.name}`, what: one.detail || `${short(one.delivered)} delivered, ${short(one.lag_rows)} wait`, state: one.state })),
    ...(status.link ? [{ name: "parent", what: status.link.detail || status.link.url, state: status.link.state }] : []),
  ];
  return (
    <Card title="Ways in and out" flush actions={<Link href="/adapters">All adapters</Link>}>
      {!ways.length ? <Empty title="This node listens to nothing yet.">Add <code>mqtt</code> or <code>brokers</code> to its node.yaml, and restart it.</Empty> : (
        <ul class="ov-list">
          {ways.map((one) => (
            <li key={one.name}>
              <Badge mood={WAY[one.state] ?? ""}>{one.state}</Badge>
              <p title={one.what}>
                {one.name}
                {one.what && <span class="soft">{` · ${one.what}`}</span>}
              </p>
              <span />
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}

/** What models do, where there are some. */
function Models() {
  const models = useLoad<{ deployments: Model[] }>("models", {}, 5000).data?.deployments ?? [];
  if (!models.length) return null;
  const shown = [...models].sort((a, b) => gravity(a) - gravity(b)).slice(0, 5);
  return (
    <Card title="Models" note={models.length > shown.length ? `${shown.length} of ${models.length}` : undefined} flush actions={<Link href="/models">All models</Link>}>
      <ul class="ov-list">
        {shown.map((one) => {
          const words = one.drift === "drifting" ? one.drift_words : one.words || HEALTH[one.health] || (one.devices ? "" : "no device has sent it anything yet") || `${rate(one.rows_per_s)} rows/s of ${one.devices === 1 ? "1 device" : `${whole(one.devices)} devices`}`;
          return (
            <li key={one.name}>
              <Badge mood={one.drift === "drifting" && one.health === "ok" ? "warn" : (MOODS[one.health] ?? "")}>{one.drift === "drifting" && one.health === "ok" ? "drifting" : one.health}</Badge>
              <p title={words}>
                <Link href={`/models/${encodeURIComponent(one.name)}`}>{one.name}</Link>
                <span class="soft">{` · ${words}`}</span>
              </p>
              <span class="soft small nowrap">{one.p99_ms === null ? "" : `p99 ${millis(one.p99_ms)}`}</span>
            </li>
          );
        })}
      </ul>
    </Card>
  );
}

/** What is worst comes first. */
const gravity = (one: Model): number => (MOODS[one.health] === "bad" ? 0 : MOODS[one.health] === "warn" ? 1 : one.drift === "drifting" ? 2 : 3);

function Children({ names, devices }: { names: string[]; devices: Device[] | null }) {
  const rows = names.map((name) => {
    const mine = (devices ?? []).filter((one) => one.node === name);
    const newest = mine.reduce((most, one) => Math.max(most, one.last_ns), 0);
    return [name, `${whole(mine.length)} devices, last reading ${ago(newest)}`] as const;
  });
  return (
    <Card title="Children" note={whole(names.length)} actions={<Link href="/sites">All sites</Link>}>
      <Facts rows={rows} />
    </Card>
  );
}
