// One refused message: its bytes, why it was refused, and what today's profiles make of it.
import { useMemo, useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { bytes, valued, whole } from "~/lib/format";
import { useLoad } from "~/lib/load";
import { exact, moment } from "~/lib/time";
import { bytesOf, hexOf, jsonOf, textOf, words, type Detail } from "~/pages/quarantine/model";
import { attempt } from "~/parts/Toasts";
import { Badge, Button, Card, ErrorNote, Facts, Loading, Segment } from "~/parts/basic";

type Look = "text" | "json" | "hex";
const MOST_BYTES = 64 << 10;
const MOST_READINGS = 100;
/** What no text for people has. */
const CONTROL = /[\x00-\x08\x0b\x0c\x0e-\x1f]/;

export function One({ id, onClose, onReplay }: { id: number; onClose: () => void; onReplay: () => void }) {
  const { data, error } = useLoad<Detail>(`quarantine/${id}`);
  const message = data?.message;
  return (
    <Card title={`Message ${id}`} actions={<Button look="quiet" icon="close" aria-label="Close this message" onClick={onClose} />}>
      {error && !data ? (
        <ErrorNote error={error} />
      ) : !data || !message ? (
        <Loading label="Loading the message" />
      ) : (
        <div class="stack">
          <Facts
            rows={[
              ["Refused as", <Badge mood="warn">{words(message.reason)}</Badge>],
              ["Because", message.detail || "—"],
              ["Received", <span title={exact(message.received_ns)}>{moment(message.received_ns)}</span>],
              ["Source", <Link href={`/quarantine?${new URLSearchParams({ source: message.source, id: String(id) }).toString()}`} title="Only from this source">{message.source}</Link>],
              ["Topic", <span class="mono">{message.topic || "—"}</span>],
            ]}
          />
          <Payload detail={data} />
          <Verdict detail={data} />
          <div class="row">
            <Button needs="operator" icon="play" look={data.verdict.decodes ? "main-action" : undefined} onClick={onReplay}>
              Replay this message
            </Button>
          </div>
        </div>
      )}
    </Card>
  );
}

function Payload({ detail }: { detail: Detail }) {
  const data = useMemo(() => bytesOf(detail.message), [detail.message.payload]);
  const text = useMemo(() => textOf(data.slice(0, MOST_BYTES)) ?? null, [data]);
  const json = useMemo(() => (data.length <= MOST_BYTES ? jsonOf(text) : null), [text]);
  const [wanted, setLook] = useState<Look | null>(null);
  const isReadable = text !== null && !CONTROL.test(text);
  const look = wanted ?? (json !== null ? "json" : isReadable ? "text" : "hex");
  const choices: (readonly [Look, string])[] = [];
  if (json !== null) choices.push(["json", "JSON"]);
  if (text !== null) choices.push(["text", "Text"]);
  choices.push(["hex", "Hex"]);
  const shown = look === "json" ? json : look === "text" ? text : hexOf(data, MOST_BYTES);
  return (
    <div class="stack tight">
      <div class="row apart">
        <h3>{`Payload, ${bytes(data.length)}`}</h3>
        <div class="row">
          <Segment label="Shown as" value={look} choices={choices} onChange={setLook} />
          <Button look="quiet" onClick={() => void attempt(() => navigator.clipboard.writeText(shown ?? ""), "Copied.")}>
            Copy
          </Button>
        </div>
      </div>
      <pre class="bytes" tabIndex={0} aria-label="The message's payload">{shown}</pre>
      {data.length > MOST_BYTES && <p class="small soft">{`The first ${bytes(MOST_BYTES)} are shown.`}</p>}
    </div>
  );
}

function Verdict({ detail: { verdict } }: { detail: Detail }) {
  if (!verdict.decodes) {
    return (
      <div class="verdict bad">
        <strong>{`Today's profiles refuse it, too: ${words(verdict.reason)}`}</strong>
        <span>{verdict.detail}</span>
      </div>
    );
  }
  const rows = verdict.readings.slice(0, MOST_READINGS);
  return (
    <div class="verdict good">
      <strong>{`Today's profiles take it: ${whole(verdict.readings.length)} ${verdict.readings.length === 1 ? "reading" : "readings"}`}</strong>
      <div class="scrolls" tabIndex={0} role="region" aria-label="Readings it would become">
        <table>
          <thead>
            <tr><th scope="col">Series</th><th scope="col" class="num">Value</th><th scope="col">Time</th><th scope="col">Quality</th></tr>
          </thead>
          <tbody>
            {rows.map((one) => (
              <tr key={one.series + one.ts}>
                <td class="wrap">{one.series}</td>
                <td class="num nowrap">{valued(one.value, one.unit)}</td>
                <td class="nowrap" title={exact(one.ts)}>{moment(one.ts)}</td>
                <td>{one.why ? `${one.quality}: ${words(one.why)}` : one.quality}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {verdict.readings.length > rows.length && <span class="small">{`and ${whole(verdict.readings.length - rows.length)} more`}</span>}
    </div>
  );
}
