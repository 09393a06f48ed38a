// Models: what is at work, how well and how fast; one of them; what is tried beside it.
import { useLocation, Link } from "wouter-preact";
import { bytes, figure, percent, rate, short, whole } from "~/lib/format";
import { useWatch } from "~/lib/live";
import { useLoad } from "~/lib/load";
import { ago } from "~/lib/time";
import { Badge, Card, Empty, ErrorNote, Loading, Meter, Page, Stat } from "~/parts/basic";
import { Table, type Column } from "~/parts/Table";
import { Detail } from "./models/Detail";
import "./models/models.css";
import { took } from "./models/paces";
import { parts, type Cache, type ModelList, type Row } from "./models/types";
import { Budget, budgetMood, DriftBadge, millis, MOODS, ofBudget } from "./models/words";

export default function Models() {
  const [path] = useLocation();
  const [, name = "", tab = ""] = /\/models(?:\/([^/]+))?(?:\/([^/]+))?\/?$/.exec(path) ?? [];
  if (name) return <Detail key={name} name={decodeURIComponent(name)} tab={tab} />;
  return <List />;
}

function List() {
  const [, go] = useLocation();
  const { data, error, reload } = useLoad<ModelList>("models", {}, 3000);
  useWatch("alerts", {}, reload);
  if (!data) return error ? <Page title="Models"><ErrorNote error={error} /></Page> : <Loading label="Loading models" />;
  data.deployments.forEach(took);
  if (!data.deployments.length) return <NoModels />;
  return (
    <Page title="Models" about="What models say of devices becomes readings, which rules and charts read like any others.">
      {error && <ErrorNote error={error} />}
      <Figures list={data} />
      <Card flush>
        <Table
          label="Models at work"
          rows={data.deployments}
          columns={COLUMNS}
          id={(row) => row.name}
          rowHeight={56}
          onOpen={(row) => go(`/models/${encodeURIComponent(row.name)}`)}
        />
      </Card>
      {data.cache && <Memory cache={data.cache} />}
    </Page>
  );
}

function NoModels() {
  return (
    <Page title="Models">
      <Card>
        <Empty title="No model is at work here.">
          Put a model to work in node.yaml and restart the node; three models ship with it. Which inputs a model takes, and how to bring your own: docs/how-to/models.md.
        </Empty>
        <pre class="models-example" tabIndex={0} aria-label="Example for node.yaml">{EXAMPLE}</pre>
      </Card>
    </Page>
  );
}

const EXAMPLE = `models:
  deploy:
    pump:                          # its results: ml.pump.score, ml.pump.label …
      model: builtin:pump-anomaly
      from: readings where device like 'pump-%'
      budget: 50ms
      alert: {when: "score > 1", for: 3 samples}`;

function Figures({ list }: { list: ModelList }) {
  const { deployments: models } = list, rows = models.reduce((sum, one) => sum + one.rows_per_s, 0);
  const slowest = [...models].sort((a, b) => ofBudget(b) - ofBudget(a))[0];
  const part = slowest ? ofBudget(slowest) : 0;
  const fallback = rows ? models.reduce((sum, one) => sum + one.fallback_share * one.rows_per_s, 0) / rows : 0;
  const drifting = models.filter((one) => one.drift === "drifting"), learning = models.filter((one) => one.drift === "unknown").length;
  const bad = models.filter((one) => MOODS[one.health] === "bad").length, pressed = models.filter((one) => MOODS[one.health] === "warn").length;
  return (
    <div class="grid model-figures">
      <Stat title="At work" value={whole(models.filter((one) => one.health !== "waiting").length)} mood={bad ? "bad" : pressed ? "warn" : ""} note={bad ? `${whole(bad)} can’t answer` : pressed ? `${whole(pressed)} not at full strength` : "all are well"} />
      <Stat title="Scored" value={rate(rows)} unit="rows/s" note={fallback ? `${percent(fallback)} by something else in the last 10 minutes` : rows ? "all by the models" : "no device sends what they take"} mood={fallback > 0.05 ? "warn" : ""} />
      <Stat title="Nearest to its budget" value={part ? percent(part) : "—"} mood={budgetMood(part)} note={part && slowest ? `${slowest.name}: p99 ${millis(slowest.p99_ms)} of ${millis(slowest.budget_ms)}` : "nothing was scored in the last minute"} />
      <Stat title="Drift" value={whole(drifting.length)} unit={drifting.length === 1 ? "model" : "models"} mood={drifting.length ? "bad" : ""} note={drifting.length ? drifting.map((one) => one.name).join(", ") : learning ? `${learning === models.length ? "what is usual is still being learned" : `${whole(learning)} still ${learning === 1 ? "learns" : "learn"} what is usual`}` : "data is as it was in training"} />
    </div>
  );
}

const COLUMNS: Column<Row>[] = [
  {
    name: "Model",
    sort: (row) => row.name,
    cell: (row) => (
      <span class="model-name">
        <Link href={`/models/${encodeURIComponent(row.name)}`} onClick={(event: Event) => event.stopPropagation()}>{row.name}</Link>
        <small title={row.active}>{row.active || "no version is active"}</small>
      </span>
    ),
  },
  { name: "State", sort: (row) => row.health, cell: (row) => <Badge mood={MOODS[row.health] ?? ""} {...(row.words ? { title: row.words } : {})}>{row.health}</Badge> },
  {
    name: "p99 of budget",
    sort: (row) => -ofBudget(row),
    wideOnly: true,
    cell: (row) => (
      <span class="budget-cell">
        <Budget p50={row.p50_ms} p99={row.p99_ms} budget={row.budget_ms} />
        {row.p99_ms !== null && <small>{millis(row.p99_ms)}{row.budget_ms !== null && <span class="soft">{` of ${millis(row.budget_ms)}`}</span>}</small>}
      </span>
    ),
  },
  { name: "Rows/s", isNumber: true, sort: (row) => -row.rows_per_s, cell: (row) => rate(row.rows_per_s) },
  { name: "Devices", isNumber: true, wideOnly: true, sort: (row) => -row.devices, cell: (row) => whole(row.devices) },
  { name: "Fallback", isNumber: true, wideOnly: true, sort: (row) => -row.fallback_share, cell: (row) => (row.fallback_share ? <span class={row.fallback_share > 0.05 ? "tone-warn nowrap" : "nowrap"}>{percent(row.fallback_share)}</span> : <span class="faint nowrap">0 %</span>) },
  { name: "Data", sort: (row) => row.drift, cell: (row) => (row.health === "waiting" ? <span class="faint">—</span> : <DriftBadge row={row} />) },
  { name: "Beside it", wideOnly: true, cell: (row) => <Beside row={row} /> },
  {
    name: "Alerts",
    isNumber: true,
    wideOnly: true,
    sort: (row) => -row.open_alerts,
    cell: (row) => (row.open_alerts ? <Link class="badge bad" href={`/alerts?rule=${encodeURIComponent(row.rule)}`} onClick={(event: Event) => event.stopPropagation()}>{whole(row.open_alerts)}</Link> : <span class="faint">0</span>),
  },
];

function Beside({ row }: { row: Row }) {
  const tried = [...Object.keys(row.canaries).map((ref) => [ref, "canary"] as const), ...row.shadows.map((ref) => [ref, "shadow"] as const)];
  return (
    <span class="beside">
      {tried.slice(0, 2).map(([ref, role]) => (
        <Badge key={ref} mood={role === "canary" ? "warn" : "info"} title={ref}>{`${parts(ref)[1] || ref} ${role === "canary" ? `at ${figure(row.canaries[ref] ?? 0)} %` : "in shadow"}`}</Badge>
      ))}
      {tried.length > 2 && <span class="soft small">{`+${tried.length - 2}`}</span>}
    </span>
  );
}

function Memory({ cache }: { cache: Cache }) {
  const asked = cache.hits + cache.misses, part = cache.allowed_bytes ? cache.used_bytes / cache.allowed_bytes : 0;
  return (
    <Card title="In memory" note={`${bytes(cache.used_bytes)} of ${bytes(cache.allowed_bytes)}`}>
      <div class="stack">
        <Meter part={part} label="Memory for models" mood={part > 0.95 ? "warn" : ""} />
        <ul class="loaded">
          {cache.loaded.map((one) => (
            <li key={one.ref}>
              <strong>{one.ref}</strong>
              <span class="soft small">{`${bytes(one.bytes)}, ${one.pinned ? "at work" : `last asked ${ago(one.used_ns)}`}`}</span>
            </li>
          ))}
        </ul>
        <p class="soft small">
          {asked >= 20 ? `${percent(cache.hits / asked)} of ${short(asked)} times a model was there when it was asked for. ` : ""}
          {cache.evictions ? `${whole(cache.evictions)} gave way to others. More room: models.memory in node.yaml.` : "No model had to give way."}
        </p>
      </div>
    </Card>
  );
}
