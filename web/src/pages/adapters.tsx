// What the node meets its devices with: each adapter, and how the devices that it asks are.
import { Link, useRoute } from "wouter-preact";
import { useState } from "preact/hooks";
import { short, whole } from "~/lib/format";
import { useLoad } from "~/lib/load";
import { ago, exact, lasting } from "~/lib/time";
import { Badge, Card, Empty, ErrorNote, Facts, Loading, Page, Search, type Mood } from "~/parts/basic";
import { Table, type Column } from "~/parts/Table";

interface Adapter {
  name: string;
  kind: string;
  where: string;
  state: string;
  since_ns: number;
  detail: string;
  received: number;
  unsettled: number;
  error: string;
  hint: string;
  error_ns: number;
  failures: number;
  retry_in_s: number | null;
}

interface Asked {
  device: string;
  where: string;
  state: "waiting" | "working" | "failing";
  every_s: number;
  last_ns: number;
  polls: number;
  failures: number;
  skipped: number;
  late_s: number;
  error: string;
}

const MOODS: Record<string, Mood> = { working: "good", starting: "info", waiting: "info", paused: "warn", stopped: "warn", failing: "bad" };
const NONE: never[] = [];

export default function Adapters() {
  const [isOne, params] = useRoute("/adapters/:name");
  const name = isOne ? decodeURIComponent(params.name ?? "") : "";
  const { data, error, isLoading } = useLoad<Adapter[]>("adapters", {}, 5000);
  if (name) return <One name={name} adapter={data?.find((one) => one.name === name)} />;
  return (
    <Page title="Adapters" about="How this node meets its devices. One that fails is tried again by itself, and disturbs no other.">
      {error && <ErrorNote error={error} />}
      <Card flush>
        {!data && isLoading ? (
          <Loading label="Loading adapters" />
        ) : (
          <Table
            label="Adapters"
            rows={data ?? NONE}
            columns={ADAPTERS}
            id={(one) => one.name}
            maxHeight="calc(100vh - 12rem)"
            empty={<Empty title="This node listens to nothing yet.">Name an adapter in node.yaml, as <code>mqtt</code> or <code>modbus</code>, and restart it.</Empty>}
          />
        )}
      </Card>
    </Page>
  );
}

const ADAPTERS: Column<Adapter>[] = [
  { name: "Adapter", sort: (one) => one.name, cell: (one) => <Link class="nowrap" href={`/adapters/${encodeURIComponent(one.name)}`}>{one.name}</Link> },
  { name: "State", sort: (one) => one.state, cell: (one) => <Badge mood={MOODS[one.state] ?? ""}>{one.state}</Badge> },
  { name: "Since", wideOnly: true, sort: (one) => one.since_ns, cell: (one) => <span class="nowrap" title={exact(one.since_ns)}>{ago(one.since_ns)}</span> },
  { name: "Where", wideOnly: true, sort: (one) => one.where, cell: (one) => one.where },
  { name: "Messages", isNumber: true, sort: (one) => one.received, cell: (one) => (one.received ? short(one.received) : "") },
  { name: "What it says", wideOnly: true, cell: (one) => <Said text={one.state === "failing" ? one.error : one.detail} /> },
];

function Said({ text }: { text: string }) {
  return <span class="soft clip" title={text}>{text}</span>;
}

function One({ name, adapter }: { name: string; adapter: Adapter | undefined }) {
  const [text, setText] = useState("");
  const { data, error, isLoading } = useLoad<Asked[]>(`adapters/${encodeURIComponent(name)}/devices`, {}, 5000);
  const has = error?.status !== 404;
  const rows = (data ?? NONE).filter((one) => `${one.device} ${one.where} ${one.state}`.includes(text));
  return (
    <Page title={name} about={<Link href="/adapters">All adapters</Link>}>
      {adapter && <About adapter={adapter} late={Math.max(0, ...(data ?? NONE).map((one) => one.late_s))} />}
      {error && has && <ErrorNote error={error} />}
      {has && (
        <Card title="Devices" {...(data ? { note: counted(data) } : {})} flush actions={<Search label="Device, address or state" value={text} onChange={setText} />}>
          {!data && isLoading ? (
            <Loading label="Loading devices" />
          ) : (
            <Table
              label="Devices of the adapter"
              rows={rows}
              columns={DEVICES}
              id={(one) => one.device}
              sortBy="State"
              maxHeight="calc(100vh - 24rem)"
              empty={<Empty title={text ? "No device fits." : "It has no devices of its own."}>{!text && "Devices come to it by themselves; the devices page lists them."}</Empty>}
            />
          )}
        </Card>
      )}
    </Page>
  );
}

function About({ adapter, late }: { adapter: Adapter; late: number }) {
  return (
    <Card title={<Badge mood={MOODS[adapter.state] ?? ""}>{adapter.state}</Badge>}>
      <Facts
        rows={[
          ["Where", adapter.where],
          ["Since", <span title={exact(adapter.since_ns)}>{ago(adapter.since_ns)}</span>],
          ["It says", adapter.detail],
          ["Messages", `${whole(adapter.received)} received, ${whole(adapter.unsettled)} not on disk yet`],
          late > 0 && ["Polls begin", `99 of 100 within ${Math.round(late * 1000)} ms of their time`],
          adapter.error !== "" && ["Last error", [adapter.error_ns ? ago(adapter.error_ns) : "", adapter.error + (adapter.hint && `; ${adapter.hint}`)].filter(Boolean).join(": ")],
          adapter.retry_in_s !== null && ["Next try", `in ${lasting(adapter.retry_in_s)}, after ${whole(adapter.failures)} failures`],
        ]}
      />
    </Card>
  );
}

const counted = (rows: readonly Asked[]): string =>
  (["working", "failing", "waiting"] as const)
    .map((state) => [state, rows.filter((one) => one.state === state).length] as const)
    .filter(([, count]) => count)
    .map(([state, count]) => `${whole(count)} ${state}`)
    .join(", ");

const ORDER = { failing: "0", waiting: "1", working: "2" } as const;
const DEVICES: Column<Asked>[] = [
  { name: "Device", sort: (one) => one.device, cell: (one) => <Link class="nowrap" href={`/devices/${encodeURIComponent(one.device)}`}>{one.device}</Link> },
  {
    name: "State",
    sort: (one) => ORDER[one.state] + one.device,
    cell: (one) => <Badge mood={MOODS[one.state] ?? ""} {...(one.error ? { title: one.error } : {})}>{one.state}</Badge>,
  },
  { name: "Where", wideOnly: true, sort: (one) => one.where, cell: (one) => <span class="nowrap">{one.where}</span> },
  { name: "Every", isNumber: true, wideOnly: true, sort: (one) => one.every_s, cell: (one) => (one.every_s ? lasting(one.every_s) : "") },
  { name: "Answered", sort: (one) => one.last_ns, cell: (one) => (one.last_ns ? <span class="nowrap" title={exact(one.last_ns)}>{ago(one.last_ns)}</span> : "never") },
  { name: "Polls", isNumber: true, wideOnly: true, sort: (one) => one.polls, cell: (one) => short(one.polls) },
  { name: "Failed", isNumber: true, wideOnly: true, sort: (one) => one.failures, cell: (one) => (one.failures ? short(one.failures) : "") },
  { name: "Left out", isNumber: true, wideOnly: true, sort: (one) => one.skipped, cell: (one) => (one.skipped ? short(one.skipped) : "") },
  { name: "Error", wideOnly: true, cell: (one) => <Said text={one.error} /> },
];
