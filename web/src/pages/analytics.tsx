// Questions over every site's readings: by a form, or in SQL; as bars, lines, a table, and a file.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { useLocation, useSearch } from "wouter-preact";
import { ApiError, url } from "~/lib/api";
import { figure, whole } from "~/lib/format";
import { useLoad } from "~/lib/load";
import { usePlace } from "~/lib/place";
import { exact, lasting, ms, utcDay } from "~/lib/time";
import { converter, unit as shownUnit } from "~/lib/units";
import { Button, Card, Empty, ErrorNote, Field, Loading, Page, Segment } from "~/parts/basic";
import { Table, type Column as TableColumn } from "~/parts/Table";
import { Picture } from "~/pages/analytics/picture";
import { forget, remember, saved } from "~/pages/analytics/saved";
import { csv, pictured, type About, type Answer, type Cell, type Column } from "~/pages/analytics/table";
import "~/pages/analytics/analytics.css";

const AGGREGATES = [
  ["mean", "Mean"], ["min", "Smallest"], ["max", "Largest"], ["spread", "Spread (largest − smallest)"], ["sum", "Sum"],
  ["last", "Last"], ["count", "Number of readings"], ["bad_percent", "Bad readings, %"],
] as const;
const KEYS = [
  ["site", "Site"], ["device", "Device"], ["metric", "Metric"], ["day", "Day"], ["hour", "Hour"], ["minute", "Minute"],
  ["hour_of_day", "Hour of the day"], ["weekday", "Day of the week"],
] as const;
const TIMED = new Set(["day", "hour", "hour_of_day", "weekday"]);
const SPANS = [["-1h", "Last hour"], ["-24h", "Last 24 hours"], ["-7d", "Last 7 days"], ["-30d", "Last 30 days"], ["-365d", "Last year"]] as const;
const STARTER = "SELECT node, metric, avg(value) AS mean, count(*) AS readings\nFROM readings\nWHERE ts > now() - INTERVAL 1 DAY\nGROUP BY ALL\nORDER BY mean DESC\nLIMIT 20";
const DAYS = ["", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

interface Question {
  body: object;
  /** Columns at the left that are keys. */
  keys: number;
}

function asked(place: URLSearchParams): Question | null {
  if (place.get("tab") === "sql") {
    const sql = place.get("sql") ?? "";
    return sql.trim() ? { body: { sql }, keys: 0 } : null;
  }
  const series = (place.get("series") ?? "").split(/[\s,]+/).filter(Boolean);
  if (!series.length) return null;
  const by = (place.get("by") ?? "site").split(",");
  const [order, top] = [place.get("order"), Number(place.get("top") ?? 0)];
  return {
    keys: by.length,
    body: {
      series, by, aggregate: place.get("of") ?? "mean", from: place.get("from") ?? "-24h", to: place.get("to") ?? "now",
      zone: place.get("zone") ?? "UTC", ...(top ? { top } : {}), ...(order === "up" ? { ascending: true } : {}),
    },
  };
}

export default function Analytics() {
  const [place, change] = usePlace();
  const search = useSearch();
  const tab = place.get("tab") === "sql" ? "sql" : "form";
  const about = useLoad<About>("analytics").data;
  const question = useMemo(() => asked(new URLSearchParams(search)), [search]);
  const { answer, error, isAsking, stop, again } = useAnswer(question);
  return (
    <Page title="Analytics" about="Everything that has come here, from every site" actions={<SavedOnes search={search} />}>
      <Card
        actions={
          <Segment label="How to ask" value={tab} choices={[["form", "Form"], ["sql", "SQL"]]} onChange={(value) => change({ tab: value === "form" ? "" : value, picture: "" })} />
        }
        title="Question"
      >
        {tab === "form" ? (
          <Form key={search} place={place} onAsk={change} isAsking={isAsking} onStop={stop} onAgain={again} />
        ) : (
          <Sql key={search} place={place} about={about} onAsk={change} isAsking={isAsking} onStop={stop} onAgain={again} />
        )}
      </Card>
      {error && <ErrorNote error={error} />}
      {isAsking && !answer && <Loading label="Asking" />}
      {!question && !answer && (
        <Card>
          <Empty title="Ask something.">
            Name series such as <code>*/air.temperature</code>, choose what to make of them and by what to group. The address holds the question: send it to somebody.
          </Empty>
        </Card>
      )}
      {answer && question && <Result answer={answer} keys={question.keys} how={place.get("picture") ?? ""} onHow={(picture) => change({ picture })} isOld={isAsking} />}
    </Page>
  );
}

function useAnswer(question: Question | null) {
  const [answer, setAnswer] = useState<Answer | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [isAsking, setAsking] = useState(false);
  const [round, setRound] = useState(0);
  const giveUp = useRef<AbortController | null>(null);
  const key = JSON.stringify(question?.body ?? null);
  useEffect(() => {
    if (!question) {
      setAnswer(null);
      setError(null);
      return;
    }
    const mine = new AbortController();
    giveUp.current = mine;
    setAsking(true);
    ask(question.body, mine.signal)
      .then((found) => {
        setAnswer(found);
        setError(null);
      })
      .catch((failure: unknown) => {
        if (mine.signal.aborted) return;
        setAnswer(null);
        setError(failure instanceof ApiError ? failure : new ApiError(0, String(failure)));
      })
      .finally(() => {
        if (giveUp.current === mine) setAsking(false);
      });
    return () => mine.abort();
  }, [key, round]);
  return { answer, error, isAsking, stop: () => giveUp.current?.abort(), again: () => setRound((n) => n + 1) };
}

/** Going away, or `signal`, ends the work at the node, too. */
async function ask(body: object, signal: AbortSignal): Promise<Answer> {
  const reply = await fetch(url("analytics"), {
    method: "POST", credentials: "same-origin", signal, body: JSON.stringify(body),
    headers: { accept: "application/json", "content-type": "application/json" },
  });
  const said: unknown = await reply.json().catch(() => ({}));
  if (reply.ok) return said as Answer;
  const { error = `HTTP ${reply.status}`, hint = "" } = said as { error?: string; hint?: string };
  throw new ApiError(reply.status, error, hint);
}

interface Asking {
  place: URLSearchParams;
  onAsk: (changes: Record<string, string>) => void;
  onAgain: () => void;
  onStop: () => void;
  isAsking: boolean;
}

function Form({ place, onAsk, onAgain, onStop, isAsking }: Asking) {
  const [series, setSeries] = useState(place.get("series") ?? "*/air.temperature");
  const [of, setOf] = useState(place.get("of") ?? "mean");
  const [by, setBy] = useState((place.get("by") ?? "site").split(","));
  const [from, setFrom] = useState(place.get("from") ?? "-24h");
  const [top, setTop] = useState(place.get("top") ?? "");
  const [order, setOrder] = useState(place.get("order") ?? "");
  const known = useLoad<{ series: { metric: string }[] }>("series", { limit: 2000 }).data;
  const metrics = useMemo(() => [...new Set((known?.series ?? []).map((one) => one.metric))].sort(), [known]);
  const toggle = (key: string): void => setBy(by.includes(key) ? by.filter((one) => one !== key) : [...by, key]);
  const submit = (event: Event): void => {
    event.preventDefault();
    if (!by.length || !series.trim()) return;
    const zone = by.some((key) => TIMED.has(key)) ? Intl.DateTimeFormat().resolvedOptions().timeZone : "";
    const next = { series: series.trim(), of: of === "mean" ? "" : of, by: by.join(","), from, top, order, zone: zone === "UTC" ? "" : zone };
    const isSame = Object.entries(next).every(([key, value]) => (place.get(key) ?? "") === value);
    if (isSame) onAgain();
    else onAsk(next);
  };
  return (
    <form class="ask" onSubmit={submit}>
      <Field label="Series" hint="device/metric or site/device/metric; * stands for any text">
        <input class="input" list="metrics" value={series} spellcheck={false} onInput={(event) => setSeries(event.currentTarget.value)} />
        <datalist id="metrics">{metrics.map((one) => <option key={one} value={`*/${one}`} />)}</datalist>
      </Field>
      <Field label="What of them">
        <select class="select" value={of} onChange={(event) => setOf(event.currentTarget.value)}>
          {AGGREGATES.map(([value, text]) => <option key={value} value={value}>{text}</option>)}
        </select>
      </Field>
      <Field label="When">
        <select class="select" value={from} onChange={(event) => setFrom(event.currentTarget.value)}>
          {[...SPANS, ...(SPANS.some(([value]) => value === from) ? [] : [[from, `From ${from}`] as const])].map(([value, text]) => <option key={value} value={value}>{text}</option>)}
        </select>
      </Field>
      <Field label="How many">
        <select class="select" value={`${order} ${top}`} onChange={(event) => {
          const [up = "", n = ""] = event.currentTarget.value.split(" ");
          setOrder(up);
          setTop(n);
        }}>
          {[[" ", "All, largest first"], [" 5", "The 5 largest"], [" 10", "The 10 largest"], [" 25", "The 25 largest"], ["up ", "All, smallest first"], ["up 5", "The 5 smallest"], ["up 10", "The 10 smallest"], ["up 25", "The 25 smallest"]].map(([value, text]) => (
            <option key={value} value={value}>{text}</option>
          ))}
        </select>
      </Field>
      <fieldset class="by">
        <legend>By</legend>
        {KEYS.map(([value, text]) => (
          <button key={value} type="button" class="button" aria-pressed={by.includes(value)} onClick={() => toggle(value)} disabled={!by.includes(value) && by.length >= 4}>
            {text}
          </button>
        ))}
      </fieldset>
      <div class="row">
        <button type="submit" class="button main-action" disabled={!by.length || !series.trim()}>Ask</button>
        {isAsking && <Button look="quiet" onClick={onStop}>Stop</Button>}
      </div>
    </form>
  );
}

function Sql({ place, about, onAsk, onAgain, onStop, isAsking }: Asking & { about: About | null }) {
  const [sql, setSql] = useState(place.get("sql") ?? STARTER);
  if (about && !about.sql) {
    return (
      <Empty title="SQL needs DuckDB, which isn’t installed here.">
        <code>pip install 'holdfast[query]'</code> on this node brings it. The form works without.
      </Empty>
    );
  }
  const submit = (event: Event): void => {
    event.preventDefault();
    if (place.get("sql") === sql) onAgain();
    else onAsk({ sql });
  };
  return (
    <form class="stack" onSubmit={submit}>
      <Field label="One SELECT" hint="Ctrl+Enter asks. It only reads, and is bounded in time, memory and rows.">
        <textarea
          class="textarea sql" value={sql} spellcheck={false} rows={8} onInput={(event) => setSql(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit(event);
          }}
        />
      </Field>
      <div class="row">
        <button type="submit" class="button main-action" disabled={!sql.trim()}>Ask</button>
        {isAsking && <Button look="quiet" onClick={onStop}>Stop</Button>}
      </div>
      {about && (
        <details class="tables">
          <summary>Tables and columns</summary>
          <dl class="facts">
            {Object.entries(about.tables).map(([name, columns]) => [<dt key={`${name}:`}><code>{name}</code></dt>, <dd key={name}><code>{columns.join(", ")}</code></dd>])}
          </dl>
        </details>
      )}
    </form>
  );
}

function Result({ answer, keys, how, onHow, isOld }: { answer: Answer; keys: number; how: string; onHow: (how: string) => void; isOld: boolean }) {
  const drawing = useMemo(() => pictured(answer, keys), [answer, keys]);
  const columns = useMemo(() => answer.columns.map(tableColumn), [answer]);
  const rows = useMemo(() => answer.rows.map((cells, place) => ({ cells, place })), [answer]);
  const note = `${whole(answer.rows.length)}${answer.total > answer.rows.length ? ` of ${whole(answer.total)}` : ""} rows in ${lasting(answer.took_s)}`;
  return (
    <div class={isOld ? "stack old" : "stack"} aria-busy={isOld}>
      {drawing && (
        <Card title={answer.columns[drawing.value]?.name.replaceAll("_", " ") ?? ""} note={shownUnit(answer.columns[drawing.value]?.unit ?? "")}>
          <Picture drawing={drawing} how={how} onHow={onHow} />
        </Card>
      )}
      <Card title="Table" note={note} flush actions={<Button icon="download" onClick={() => download(answer)} disabled={!answer.rows.length}>CSV</Button>}>
        <Table label="Answer" rows={rows} columns={columns} id={(row) => row.place} maxHeight="60vh" empty={<Empty title="Nothing fits.">No series of that name has readings in that time.</Empty>} />
      </Card>
      {(answer.truncated || answer.notes.length > 0) && (
        <p class="small soft">{[answer.truncated && "There is more than is shown.", ...answer.notes].filter(Boolean).join(" ")}</p>
      )}
    </div>
  );
}

interface Row {
  cells: Cell[];
  place: number;
}

function tableColumn(column: Column, i: number): TableColumn<Row> {
  const turn = converter(column.unit), sign = shownUnit(column.unit);
  return {
    name: `${column.name.replaceAll("_", " ")}${sign ? `, ${sign}` : ""}`,
    isNumber: column.kind === "number" && column.name !== "weekday",
    sort: (row) => {
      const cell = row.cells[i];
      return typeof cell === "string" || typeof cell === "number" ? cell : Number.NEGATIVE_INFINITY;
    },
    cell: (row) => {
      const cell = row.cells[i];
      if (cell === null || cell === undefined) return <span class="soft">—</span>;
      if (column.kind === "time" && typeof cell === "number") return column.name === "day" ? utcDay(ms(cell)) : exact(cell);
      if (column.name === "weekday" && typeof cell === "number") return DAYS[cell] ?? cell;
      return typeof cell === "number" ? figure(turn(cell)) : String(cell);
    },
  };
}

function download(answer: Answer): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([csv(answer)], { type: "text/csv" }));
  link.download = `holdfast-${new Date().toISOString().slice(0, 16).replace(":", "")}.csv`;
  link.click();
  URL.revokeObjectURL(link.href);
}

function SavedOnes({ search }: { search: string }) {
  const [path, go] = useLocation();
  const [name, setName] = useState("");
  const [isNaming, setNaming] = useState(false);
  const mine = saved.value.find((one) => one.query === search);
  return (
    <>
      {saved.value.length > 0 && (
        <select class="select saved" aria-label="Saved questions" value={mine?.name ?? ""} onChange={(event) => {
          const found = saved.value.find((one) => one.name === event.currentTarget.value);
          if (found) go(`${path}?${found.query}`);
        }}>
          <option value="">Saved questions</option>
          {saved.value.map((one) => <option key={one.name} value={one.name}>{one.name}</option>)}
        </select>
      )}
      {mine && <Button look="quiet" onClick={() => forget(mine.name)}>Forget it</Button>}
      {search && !mine && !isNaming && <Button onClick={() => setNaming(true)}>Save</Button>}
      {isNaming && (
        <form class="row" onSubmit={(event) => {
          event.preventDefault();
          if (name.trim()) remember(name.trim(), search);
          setNaming(false);
        }}>
          <input class="input saved" aria-label="Name of the question" placeholder="Its name" maxLength={60} value={name} autoFocus onInput={(event) => setName(event.currentTarget.value)} />
          <button type="submit" class="button">Save</button>
        </form>
      )}
    </>
  );
}
