// What of a device's messages was refused lately.
import { useMemo } from "preact/hooks";
import { Link } from "wouter-preact";
import { bytes } from "~/lib/format";
import { useLoad } from "~/lib/load";
import { ago, exact } from "~/lib/time";
import type { Device } from "~/pages/devices/model";
import { lengthOf, type Refused } from "~/pages/quarantine/model";
import { Badge, Card, Empty, ErrorNote } from "~/parts/basic";

const SHOWN = 8, LOOKED_AT = 50;

export function RefusedOf({ device, isOwn }: { device: Device; isOwn: boolean }) {
  const name = device.hardware || device.name;
  const isPlain = !/[*+#]/.test(name);
  // A device stands in its topic or is the client itself; the node filters by either.
  const bySource = useLoad<Refused[]>(isOwn ? "quarantine" : null, { source: name, limit: SHOWN }, 15_000);
  const byTopic = useLoad<Refused[]>(isOwn && isPlain ? "quarantine" : null, { topic: `*${name}*`, limit: LOOKED_AT }, 15_000);
  const found = useMemo(() => {
    const near = (byTopic.data ?? []).filter((one) => one.topic.split("/").includes(name));
    const all = new Map([...(bySource.data ?? []), ...near].map((one) => [one.id, one]));
    return [...all.values()].sort((a, b) => b.id - a.id).slice(0, SHOWN);
  }, [bySource.data, byTopic.data, name]);
  if (!isOwn) return null;
  const error = bySource.error ?? byTopic.error, filter: Record<string, string> = bySource.data?.length || !isPlain ? { source: name } : { topic: `*${name}*` };
  const link = (more: Record<string, string> = {}): string => `/quarantine?${new URLSearchParams({ ...filter, ...more }).toString()}`;
  return (
    <Card
      title="Refused"
      note="messages as they came"
      flush
      actions={found.length > 0 && <Link class="button quiet" href={link()}>All of them</Link>}
    >
      {error && <ErrorNote error={error} />}
      {bySource.data && found.length === 0 ? (
        <Empty title="Nothing of it lies in quarantine.">Every message of it could be read.</Empty>
      ) : (
        <ul class="lines">
          {found.map((one) => (
            <li key={one.id}>
              <div class="row apart">
                <span class="row">
                  <Link href={link({ id: String(one.id) })}>{`No ${one.id}`}</Link>
                  <Badge mood="warn">{one.reason.replaceAll("_", " ")}</Badge>
                </span>
                <span class="soft small" title={exact(one.received_ns)}>{`${ago(one.received_ns)}, ${bytes(lengthOf(one))}`}</span>
              </div>
              <span class="small soft wrap">{one.detail}</span>
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}
