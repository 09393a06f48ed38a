// What people did and tried, line by line, chained so that a change of the past shows.
import { useEffect, useState } from "preact/hooks";
import { get } from "~/lib/api";
import { useLoad } from "~/lib/load";
import { usePlace } from "~/lib/place";
import { ago, exact, moment } from "~/lib/time";
import { Badge, Button, Card, Empty, ErrorNote, Facts, Loading, Search, type Mood } from "~/parts/basic";
import { Dialog } from "~/parts/Dialog";
import { Table, type Column } from "~/parts/Table";
import { attempt } from "~/parts/Toasts";
import { deed } from "./deeds";

interface Line {
  id: number;
  at_ns: number;
  who: string;
  what: string;
  status: number;
  address: string;
  role: string;
  via: string;
  body: string;
  whole: boolean;
  step: "" | "asked" | "done" | "failed" | "unknown";
  ended_ns: number;
  kind: string;
}

interface AuditPage {
  lines: Line[];
  broken_at: number;
  checked_ns: number;
}

const KINDS = ["alerts", "silences", "channels", "rules", "models", "devices", "commands", "messages", "people", "logins", "settings"];
const TIMES = [["-1h", "the last hour"], ["-1d", "the last day"], ["-7d", "the last 7 days"], ["-30d", "the last 30 days"]] as const;

const AT_ONCE = 200;

export function Audit() {
  const [place, move] = usePlace();
  const who = place.get("who") ?? "";
  const [asked, setAsked] = useState(who);
  const kind = place.get("kind") ?? "";
  const from = place.get("from") ?? "";
  const wanted = { who, kind, ...(from && { from }), limit: AT_ONCE };
  const { data, error } = useLoad<AuditPage>("audit", wanted, 15_000);
  const [older, setOlder] = useState<Line[]>([]);
  const [open, setOpen] = useState<Line | null>(null);
  const [verdict, setVerdict] = useState<number | null>(null);
  useEffect(() => setOlder([]), [who, kind, from]);
  useEffect(() => {
    const timer = setTimeout(() => asked !== who && move({ who: asked }), 350);
    return () => clearTimeout(timer);
  }, [asked]);
  const first = data?.lines.at(-1)?.id ?? 0;
  const lines = [...(data?.lines ?? []), ...older.filter((line) => line.id < first)];
  const last = lines.at(-1)?.id ?? 0;
  const more = async (): Promise<void> => {
    await attempt(async () => {
      const { lines: found } = await get<AuditPage>("audit", { ...wanted, before: last }, undefined, true);
      setOlder([...older, ...found]);
    }, "");
  };
  const verify = async (): Promise<void> => {
    await attempt(async () => setVerdict((await get<AuditPage>("audit", { limit: 1, verify: true }, undefined, true)).broken_at), "");
  };
  const broken = verdict ?? data?.broken_at ?? 0;
  const isWhole = verdict === 0 || (verdict === null && broken === 0 && (data?.checked_ns ?? 0) > 0);
  return (
    <>
    {broken > 0 && (
      <div class="banner bad" role="alert">
        <span>
          <strong>{`The audit was tampered with at line ${broken}.`}</strong>
          {" Somebody changed the journal's file by hand: the node never changes a line. Compare it with a backup and with the node's log."}
        </span>
      </div>
    )}
    <Card title="What people did and tried" flush
      actions={
        <>
          {isWhole && <Badge mood="good" title={data?.checked_ns ? `Looked over ${ago(data.checked_ns)}` : undefined}>whole</Badge>}
          <Button icon="check" onClick={() => void verify()}>Check the chain</Button>
        </>
      }>
      <div class="audit-filters">
        <Search label="Only of" placeholder="Only of somebody" value={asked} onChange={setAsked} />
        <select class="select small-select" aria-label="Kind" value={kind} onChange={(event) => move({ kind: event.currentTarget.value })}>
          <option value="">every kind</option>
          {KINDS.map((one) => <option key={one}>{one}</option>)}
        </select>
        <select class="select small-select" aria-label="Since" value={from} onChange={(event) => move({ from: event.currentTarget.value })}>
          <option value="">at any time</option>
          {TIMES.map(([value, title]) => <option key={value} value={value}>{title}</option>)}
        </select>
      </div>
      {data ? (
        <Table label="Audit" rows={lines} columns={COLUMNS} id={(row) => row.id} onOpen={setOpen} isKeyed
          empty={<Empty title={who || kind || from ? "Nothing of that kind." : "Nobody did anything yet."}>Every change is written down here: who, what, when and from where.</Empty>} />
      ) : error ? <ErrorNote error={error} /> : <Loading />}
      {lines.length >= AT_ONCE && last > 1 && (
        <div class="more-rows">
          <Button look="quiet" icon="down" onClick={() => void more()}>Older</Button>
        </div>
      )}
      {open && <Detail line={open} onClose={() => setOpen(null)} />}
    </Card>
    </>
  );
}

const mood = (status: number): Mood => (status < 400 ? "" : status < 500 ? "warn" : "bad");

const COLUMNS: Column<Line>[] = [
  { name: "when", cell: (row) => <span class="nowrap" title={exact(row.at_ns)}>{moment(row.at_ns)}</span> },
  { name: "who", cell: (row) => <strong class="cell-name">{row.who || origin(row)}</strong> },
  {
    name: "what",
    cell: (row) => (
      <span class="deed" title={row.what}>
        {outcome(row)}
        {!row.whole && <Badge mood="bad">changed</Badge>}
        <span class="cut">{deed(row.what)}</span>
      </span>
    ),
  },
  { name: "from", wideOnly: true, cell: (row) => <code>{row.address}</code> },
  { name: "said", wideOnly: true, cell: (row) => <code class="cut" title={row.body}>{row.body}</code> },
];

function outcome(row: Line) {
  if (row.step === "asked") return <Badge mood="info">under way</Badge>;
  if (row.step === "unknown") return <Badge mood="bad" title="The node was stopped meanwhile: look whether the change is there.">unknown</Badge>;
  return row.status >= 400 && <Badge mood={mood(row.status)}>{row.status < 500 ? "refused" : "failed"}</Badge>;
}

function answer(row: Line): string {
  if (row.step === "asked") return "not yet";
  if (row.step === "unknown") return `unknown: the node was stopped meanwhile, and said so ${exact(row.ended_ns)}`;
  return row.ended_ns ? `${row.status}, after ${((row.ended_ns - row.at_ns) / 1e9).toFixed(3)} s` : String(row.status);
}

const origin = (row: Line): string => (row.via === "local" ? "this machine" : "somebody");

function Detail({ line, onClose }: { line: Line; onClose: () => void }) {
  return (
    <Dialog title={`Line ${line.id}`} onClose={onClose}>
      <Facts
        rows={[
          ["When", `${exact(line.at_ns)}, ${ago(line.at_ns)}`],
          ["Who", line.who || origin(line)],
          line.role !== "" && ["Role", `${line.role}, by ${line.via}`],
          ["What", deed(line.what)],
          deed(line.what) !== line.what && ["As asked", <code class="wrap">{line.what}</code>],
          ["Answer", answer(line)],
          ["From", <code>{line.address || "—"}</code>],
          ["Chain", line.whole ? "follows from the line before" : "was changed, or the line before it was"],
        ]}
      />
      {line.body && <pre class="said">{line.body}</pre>}
    </Dialog>
  );
}
