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
}

interface AuditPage {
  lines: Line[];
  broken_at: number;
}

const AT_ONCE = 200;

export function Audit() {
  const [place, move] = usePlace();
  const who = place.get("who") ?? "";
  const [asked, setAsked] = useState(who);
  const { data, error } = useLoad<AuditPage>("audit", { who, limit: AT_ONCE }, 15_000);
  const [older, setOlder] = useState<Line[]>([]);
  const [open, setOpen] = useState<Line | null>(null);
  const [verdict, setVerdict] = useState<number | null>(null);
  useEffect(() => setOlder([]), [who]);
  useEffect(() => {
    const timer = setTimeout(() => asked !== who && move({ who: asked }), 350);
    return () => clearTimeout(timer);
  }, [asked]);
  if (!data) return error ? <ErrorNote error={error} /> : <Loading />;
  const first = data.lines.at(-1)?.id ?? 0;
  const lines = [...data.lines, ...older.filter((line) => line.id < first)];
  const last = lines.at(-1)?.id ?? 0;
  const more = async (): Promise<void> => {
    await attempt(async () => {
      const { lines: found } = await get<AuditPage>("audit", { who, limit: AT_ONCE, before: last }, undefined, true);
      setOlder([...older, ...found]);
    }, "");
  };
  const verify = async (): Promise<void> => {
    await attempt(async () => setVerdict((await get<AuditPage>("audit", { limit: 1, verify: true }, undefined, true)).broken_at), "");
  };
  return (
    <Card title="What people did and tried" flush
      actions={
        <>
          <Search label="Only of" placeholder="Only of somebody" value={asked} onChange={setAsked} />
          {verdict !== null && (verdict ? <Badge mood="bad">{`changed at line ${verdict}`}</Badge> : <Badge mood="good">whole</Badge>)}
          <Button icon="check" onClick={() => void verify()}>Check the chain</Button>
        </>
      }>
      <Table label="Audit" rows={lines} columns={COLUMNS} id={(row) => row.id} onOpen={setOpen} isKeyed
        empty={<Empty title={who ? `Nothing of ${who}.` : "Nobody did anything yet."}>Every change is written down here: who, what, when and from where.</Empty>} />
      {lines.length >= AT_ONCE && last > 1 && (
        <div class="more-rows">
          <Button look="quiet" icon="down" onClick={() => void more()}>Older</Button>
        </div>
      )}
      {open && <Detail line={open} onClose={() => setOpen(null)} />}
    </Card>
  );
}

const mood = (status: number): Mood => (status < 400 ? "" : status < 500 ? "warn" : "bad");

const COLUMNS: Column<Line>[] = [
  { name: "when", cell: (row) => <span class="nowrap" title={exact(row.at_ns)}>{moment(row.at_ns)}</span> },
  { name: "who", cell: (row) => <strong class="cell-name">{row.who || origin(row)}</strong> },
  { name: "what", cell: (row) => <span class="cut" title={row.what}>{row.what}</span> },
  { name: "", cell: (row) => <>{row.status >= 400 && <Badge mood={mood(row.status)}>refused</Badge>}{!row.whole && <Badge mood="bad">changed</Badge>}</> },
  { name: "from", wideOnly: true, cell: (row) => <code>{row.address}</code> },
  { name: "said", wideOnly: true, cell: (row) => <code class="cut" title={row.body}>{row.body}</code> },
];

const origin = (row: Line): string => (row.via === "local" ? "on the machine" : "unknown");

function Detail({ line, onClose }: { line: Line; onClose: () => void }) {
  return (
    <Dialog title={`Line ${line.id}`} onClose={onClose}>
      <Facts
        rows={[
          ["When", `${exact(line.at_ns)}, ${ago(line.at_ns)}`],
          ["Who", line.who || origin(line)],
          line.role !== "" && ["Role", `${line.role}, by ${line.via}`],
          ["What", <code class="wrap">{line.what}</code>],
          ["Answer", String(line.status)],
          ["From", <code>{line.address || "—"}</code>],
          ["Chain", line.whole ? "follows from the line before" : "was changed, or the line before it was"],
        ]}
      />
      {line.body && <pre class="said">{line.body}</pre>}
    </Dialog>
  );
}
