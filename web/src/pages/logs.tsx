// What the node says: its log, live, filtered, as it stands in memory and on disk; or a node's below, as it came up.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { whole } from "~/lib/format";
import { useWatch } from "~/lib/live";
import { useLoad } from "~/lib/load";
import { usePlace } from "~/lib/place";
import { clock, day, exact, ms, now } from "~/lib/time";
import { Badge, Button, Card, Empty, ErrorNote, Facts, Loading, type Mood, Page, Search, Segment } from "~/parts/basic";
import { Dialog } from "~/parts/Dialog";
import { NodeChoice } from "~/parts/NodeChoice";
import { Table, type Column } from "~/parts/Table";
import { attempt } from "~/parts/Toasts";
import "./logs/logs.css";

type Fact = string | number | boolean | null;

/** n counts from 1 at each start of the node. */
interface Line {
  n: number;
  ts_ns: number;
  level: string;
  name: string;
  fields: Record<string, Fact>;
}

const MOST = 5000;
const BELOW_EVERY_MS = 10_000;
const LEVELS = [["debug", "All"], ["info", "Info"], ["warning", "Warnings"], ["error", "Errors"]] as const;
type Level = (typeof LEVELS)[number][0];
const RANK: Record<string, number> = { debug: 0, info: 1, warning: 2, error: 3 };
const MOODS: Record<string, Mood> = { WARNING: "warn", ERROR: "bad", INFO: "info" };

const key = (line: Line): string => `${line.ts_ns}:${line.n}`;
const facts = (line: Line): string => Object.entries(line.fields).map(([name, value]) => `${name}=${value}`).join("  ");
const asText = (line: Line): string => `${new Date(ms(line.ts_ns)).toISOString()} ${line.level} ${line.name} ${facts(line)}`.trimEnd();
const rank = (level: string): number => RANK[level.toLowerCase()] ?? 0;

/** 14:03:22.123, with the day before it when that isn't today. */
function at(ns: number): string {
  const t = ms(ns), thousandths = String(Math.floor(t) % 1000).padStart(3, "0");
  return `${day(t) === day(now.peek()) ? "" : `${day(t)} `}${clock(t)}.${thousandths}`;
}

const columns: Column<Line>[] = [
  { name: "Time", cell: (line) => <time class="mono nowrap" title={exact(line.ts_ns)}>{at(line.ts_ns)}</time> },
  { name: "Level", cell: (line) => <Badge mood={MOODS[line.level] ?? ""}>{line.level.toLowerCase()}</Badge> },
  { name: "What", cell: (line) => <button type="button" class="line-name">{line.name}</button> },
  { name: "Facts", wideOnly: true, cell: (line) => <span class="line-facts"><Fields line={line} /></span> },
];

function Fields({ line }: { line: Line }) {
  return (
    <>
      {Object.entries(line.fields).map(([name, value]) => (
        <span key={name}>
          <i>{name}</i>
          {String(value)}
        </span>
      ))}
    </>
  );
}

/** What was said, newest first: what lies on disk, and from then on what comes; `hold` keeps it as it is. of: a node below. */
function useLines(of: string, level: Level, text: string, hold: boolean): { lines: Line[]; waiting: number; loaded: ReturnType<typeof useLoad<{ lines: Line[] }>> } {
  const loaded = useLoad<{ lines: Line[] }>("logs", { level, text, limit: 2000, node: of }, of && !hold ? BELOW_EVERY_MS : 0);
  const [live, setLive] = useState<Line[]>([]);
  const [held, setHeld] = useState<Line[]>([]);
  const isHeld = useRef(hold);
  isHeld.current = hold;
  useWatch<{ lines: Line[] }>("logs", {}, ({ lines }) => {
    const take = isHeld.current ? setHeld : setLive;
    take((was) => [...was, ...lines].slice(-MOST));
  });
  useEffect(() => {
    if (hold || !held.length) return;
    setLive((was) => [...was, ...held].slice(-MOST));
    setHeld([]);
  }, [hold]);
  const lines = useMemo(() => {
    const wanted = text.toLowerCase();
    const fits = (line: Line): boolean =>
      rank(line.level) >= rank(level) && (!wanted || `${line.name} ${facts(line)}`.toLowerCase().includes(wanted));
    const known = new Map<string, Line>();
    for (const line of [...(loaded.data?.lines ?? []), ...(of ? [] : live)]) if (fits(line)) known.set(key(line), line);
    return [...known.values()].sort((a, b) => b.ts_ns - a.ts_ns || b.n - a.n).slice(0, MOST);
  }, [loaded.data, live, of, level, text]);
  return { lines, waiting: of ? 0 : held.length, loaded };
}

export default function Logs() {
  const [place, change] = usePlace();
  const level = (place.get("level") ?? "info") as Level;
  const [text, setText] = useState(place.get("text") ?? "");
  const asked = useSettled(text, 300);
  useEffect(() => change({ text: asked }), [asked]);
  const [isPaused, setPaused] = useState(false);
  const [open, setOpen] = useState<Line | null>(null);
  const of = place.get("node") ?? "";
  const { lines, waiting, loaded } = useLines(of, level, asked, isPaused);
  return (
    <Page
      title="Logs"
      about={of ? `What ${of} said of itself, as far as it has come here, newest first.` : "What this node says of itself, newest first."}
      actions={
        <>
          <Button icon={isPaused ? "play" : "pause"} aria-pressed={isPaused} onClick={() => setPaused(!isPaused)}>
            {isPaused ? `Follow${waiting ? ` (${whole(waiting)} new)` : ""}` : "Pause"}
          </Button>
          <Button onClick={() => void attempt(() => navigator.clipboard.writeText([...lines].reverse().map(asText).join("\n")), `${whole(lines.length)} lines copied`)}>
            Copy
          </Button>
          <Button icon="download" onClick={() => download(lines)}>
            Download
          </Button>
        </>
      }
    >
      {loaded.error && <ErrorNote error={loaded.error} />}
      <Card
        flush
        title={
          <span class="row">
            <NodeChoice value={of} onChange={(node) => change({ node })} />
            <Segment label="Level, at least" value={level} choices={LEVELS} onChange={(value) => change({ level: value === "info" ? "" : value })} />
          </span>
        }
        actions={
          <>
            <span class="small soft nowrap" aria-live="polite">{`${whole(lines.length)} ${lines.length === 1 ? "line" : "lines"}`}</span>
            <Search label="Name or text" value={text} onChange={setText} />
          </>
        }
      >
        {!loaded.data && loaded.isLoading ? (
          <Loading />
        ) : (
          <div class="log">
            <Table
              label="Log lines"
              rows={lines}
              columns={columns}
              id={key}
              onOpen={setOpen}
              rowHeight={36}
              maxHeight="calc(100vh - 15rem)"
              empty={
                <Empty title="No line matches.">
                  {asked || level !== "debug" ? "Another level or text may find some." : "The log is empty, or kept in memory only and this node has just started."}
                </Empty>
              }
            />
          </div>
        )}
      </Card>
      {open && <Details line={open} onClose={() => setOpen(null)} />}
    </Page>
  );
}

function Details({ line, onClose }: { line: Line; onClose: () => void }) {
  return (
    <Dialog
      title={line.name}
      wide
      onClose={onClose}
      footer={
        <Button onClick={() => void attempt(() => navigator.clipboard.writeText(asText(line)), "Line copied")}>Copy this line</Button>
      }
    >
      <Facts
        rows={[
          ["Time", `${exact(line.ts_ns)} (${at(line.ts_ns)})`],
          ["Level", <Badge mood={MOODS[line.level] ?? ""}>{line.level.toLowerCase()}</Badge>],
          ...Object.entries(line.fields).map(([name, value]) => [name, <span class="mono wrap">{String(value)}</span>] as const),
        ]}
      />
    </Dialog>
  );
}

/** The value once it has stayed the same for a while: not every key asks the node. */
function useSettled(value: string, afterMs: number): string {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), afterMs);
    return () => clearTimeout(timer);
  }, [value, afterMs]);
  return settled;
}

/** One JSON object a line, oldest first: what `jq` and others read. */
function download(lines: readonly Line[]): void {
  const body = [...lines].reverse().map((line) => JSON.stringify(line)).join("\n");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([`${body}\n`], { type: "application/x-ndjson" }));
  link.download = `log-${new Date(now.peek()).toISOString().slice(0, 19).replace(/:/g, "")}.jsonl`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
