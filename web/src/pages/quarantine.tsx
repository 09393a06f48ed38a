// Messages that could not become readings: find, understand, decode again.
import { useEffect, useMemo, useState } from "preact/hooks";
import { ApiError, get } from "~/lib/api";
import { bytes } from "~/lib/format";
import { useLoad } from "~/lib/load";
import { usePlace } from "~/lib/place";
import { ago, exact, now } from "~/lib/time";
import { lengthOf, REASONS, words, type Refused } from "~/pages/quarantine/model";
import { One } from "~/pages/quarantine/One";
import { Replay, type Chosen } from "~/pages/quarantine/Replay";
import { Badge, Button, Card, Empty, ErrorNote, Field, Loading, Page, Segment } from "~/parts/basic";
import { Table, type Column } from "~/parts/Table";
import "~/pages/quarantine/quarantine.css";

const PIECE = 200, MOST = 10_000;
const SINCE = [["", "Any time"], ["1h", "1 h"], ["24h", "24 h"], ["7d", "7 d"]] as const;
const SECONDS: Record<string, number> = { "1h": 3600, "24h": 86_400, "7d": 604_800 };

export default function Quarantine() {
  const [place, change] = usePlace();
  const filter = { reason: place.get("reason") ?? "", source: place.get("source") ?? "", topic: place.get("topic") ?? "", since: place.get("since") ?? "" };
  const id = Number(place.get("id") ?? "0");
  const [chosen, setChosen] = useState<Chosen | null>(null);
  const { rows, error, isLoading, hasMore, older, reload } = useRefused(filter);
  const columns = id ? NARROW : COLUMNS;
  const isFiltered = Object.values(filter).some(Boolean);
  const replay = (): void => {
    const seconds = SECONDS[filter.since];
    const since_ns = seconds ? Math.floor((now.peek() - seconds * 1000) * 1e6) : 0;
    setChosen({ says: said(filter), request: { reason: filter.reason, source: filter.source, topic: filter.topic, since_ns } });
  };
  return (
    <Page
      title="Quarantine"
      about="Messages that could not become readings. Each is kept with its bytes; mend its profile, and replay it."
      actions={
        rows && rows.length > 0 && (
          <Button needs="operator" icon="play" onClick={replay}>
            {isFiltered ? "Replay these" : "Replay all"}
          </Button>
        )
      }
    >
      <Filters filter={filter} onChange={change} isFiltered={isFiltered} />
      {error && <ErrorNote error={error} />}
      <div class={id ? "split" : "stack"}>
        <Card flush>
          {rows === null && !error ? (
            <Loading label="Loading refused messages" />
          ) : (
            <Table
              label="Refused messages"
              rows={rows ?? []}
              columns={columns}
              id={(one) => one.id}
              selected={id || null}
              isKeyed
              onOpen={(one) => change({ id: one.id === id ? "" : String(one.id) })}
              maxHeight="calc(100vh - 17rem)"
              empty={
                isFiltered ? (
                  <Empty title="No refused message fits the filters." />
                ) : (
                  <Empty title="Nothing is in quarantine.">No message was refused. What no profile can read is kept here with its bytes and the reason; mend the profile, then replay it.</Empty>
                )
              }
            />
          )}
          {hasMore && (
            <div class="more">
              <Button look="quiet" disabled={isLoading} onClick={() => void older()}>
                Older messages
              </Button>
            </div>
          )}
        </Card>
        {id > 0 && (
          <One
            key={id}
            id={id}
            onClose={() => change({ id: "" })}
            onReplay={() => setChosen({ says: `Message ${id}`, request: { ids: [id] } })}
          />
        )}
      </div>
      {chosen && (
        <Replay
          chosen={chosen}
          onClose={() => setChosen(null)}
          onDone={() => {
            if (chosen.request.ids) change({ id: "" });
            reload();
          }}
        />
      )}
    </Page>
  );
}

interface Filter {
  reason: string;
  source: string;
  topic: string;
  since: string;
}

const asked = (filter: Filter): Record<string, string | number> => ({
  limit: PIECE, reason: filter.reason, source: filter.source, topic: filter.topic, since: filter.since ? `-${filter.since}` : "",
});

/** The newest, asked for again and again, and older ones as far as somebody goes back. */
function useRefused(filter: Filter) {
  const first = useLoad<Refused[]>("quarantine", asked(filter), 10_000);
  const [more, setMore] = useState<Refused[]>([]);
  const [isEnd, setEnd] = useState(false);
  const [isLoading, setLoading] = useState(false);
  const [error, setError] = useState<ApiError | null>(null);
  const key = JSON.stringify(filter);
  useEffect(() => {
    setMore([]);
    setEnd(false);
  }, [key]);
  const rows = useMemo(() => {
    if (!first.data) return null;
    const ids = new Set(first.data.map((one) => one.id));
    return [...first.data, ...more.filter((one) => !ids.has(one.id))];
  }, [first.data, more]);
  const older = async (): Promise<void> => {
    const last = rows?.at(-1);
    if (!last) return;
    setLoading(true);
    try {
      const found = await get<Refused[]>("quarantine", { ...asked(filter), before: last.id });
      // What moved from the first piece meanwhile would fall between the two.
      setMore((was) => [...new Map([...(rows ?? []), ...was, ...found].map((one) => [one.id, one])).values()].sort((a, b) => b.id - a.id));
      setEnd(found.length < PIECE);
      setError(null);
    } catch (failure) {
      setError(failure instanceof ApiError ? failure : new ApiError(0, String(failure)));
    }
    setLoading(false);
  };
  const reload = (): void => {
    setMore([]);
    setEnd(false);
    first.reload();
  };
  const hasMore = !isEnd && (rows?.length ?? 0) >= PIECE && (rows?.length ?? 0) < MOST;
  return { rows, error: error ?? first.error, isLoading, hasMore, older, reload };
}

function said(filter: Filter): string {
  const parts = [
    filter.reason && `refused as ${words(filter.reason)}`,
    filter.source && `from ${filter.source}`,
    filter.topic && `of ${filter.topic}`,
    filter.since && `of the last ${filter.since}`,
  ].filter(Boolean);
  return parts.length ? `All messages ${parts.join(", ")}` : "All refused messages";
}

function Filters({ filter, onChange, isFiltered }: { filter: Filter; onChange: (changes: Record<string, string>) => void; isFiltered: boolean }) {
  return (
    <div class="filters">
      <Field label="Reason">
        <select class="select" value={filter.reason} onChange={(event) => onChange({ reason: event.currentTarget.value })}>
          <option value="">Any</option>
          {REASONS.map((one) => (
            <option key={one} value={one}>
              {words(one)}
            </option>
          ))}
        </select>
      </Field>
      <Field label="Source">
        <Late value={filter.source} placeholder="client or device" onChange={(source) => onChange({ source })} />
      </Field>
      <Field label="Topic">
        <Late value={filter.topic} placeholder="plant/+/up or plant/#" onChange={(topic) => onChange({ topic })} />
      </Field>
      <div class="field">
        <span>Received</span>
        <Segment label="Received" value={filter.since as ""} choices={SINCE as never} onChange={(since: string) => onChange({ since })} />
      </div>
      {isFiltered && (
        <Button look="quiet" icon="close" onClick={() => onChange({ reason: "", source: "", topic: "", since: "" })}>
          Clear
        </Button>
      )}
    </div>
  );
}

/** An input that tells what was typed when the typing pauses: each change asks the node. */
function Late({ value, placeholder, onChange }: { value: string; placeholder: string; onChange: (text: string) => void }) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    if (text === value) return;
    const timer = setTimeout(() => onChange(text), 400);
    return () => clearTimeout(timer);
  }, [text]);
  return <input class="input mono" value={text} placeholder={placeholder} spellcheck={false} onInput={(event) => setText(event.currentTarget.value)} />;
}

const COLUMNS: Column<Refused>[] = [
  { name: "No", isNumber: true, sort: (one) => one.id, cell: (one) => one.id },
  { name: "Received", sort: (one) => one.received_ns, cell: (one) => <span class="nowrap" title={exact(one.received_ns)}>{ago(one.received_ns)}</span> },
  { name: "Reason", sort: (one) => one.reason, cell: (one) => <Badge mood={one.reason === "new_device" ? "info" : "warn"}>{words(one.reason)}</Badge> },
  { name: "Source", sort: (one) => one.source, cell: (one) => <span class="cut">{one.source}</span> },
  { name: "Topic", wideOnly: true, sort: (one) => one.topic, cell: (one) => <span class="cut mono">{one.topic}</span> },
  { name: "Size", isNumber: true, wideOnly: true, sort: lengthOf, cell: (one) => <span class="nowrap">{bytes(lengthOf(one))}</span> },
  { name: "What is wrong", wideOnly: true, cell: (one) => <span class="cut soft" title={one.detail}>{one.detail}</span> },
];
// Beside an open message there's room for less.
const NARROW = COLUMNS.filter(({ name }) => ["No", "Received", "Reason", "Source"].includes(name));
