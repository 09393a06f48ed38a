// All devices: search, filters in the address, and what is to be done about new ones.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Link, useLocation } from "wouter-preact";
import { status } from "~/app";
import { percent, rate, short, whole } from "~/lib/format";
import { useWatch } from "~/lib/live";
import { useLoad } from "~/lib/load";
import { usePlace } from "~/lib/place";
import { ago, exact } from "~/lib/time";
import { Change } from "~/pages/devices/Change";
import { keyOf, linkTo, refusedShare, STATES, stateMood, type Device } from "~/pages/devices/model";
import { Badge, Button, Card, Empty, ErrorNote, Loading, Page, Search, Segment } from "~/parts/basic";
import { FirstDevice } from "~/parts/FirstDevice";
import { Table, type Column } from "~/parts/Table";

const MOST = 5000;
const ORDER = ["silent", "late", "unknown", "online", "never", ""];

/** All devices: asked for now and then, and what changes in between as it's told. */
function useDevices() {
  const asked = useLoad<{ total: number; devices: Device[] }>("devices", { limit: MOST }, 10_000);
  const known = useRef(new Map<string, Device>());
  const [rows, setRows] = useState<readonly Device[] | null>(null);
  useEffect(() => {
    if (!asked.data) return;
    known.current = new Map(asked.data.devices.map((one) => [keyOf(one), one]));
    setRows([...known.current.values()]);
  }, [asked.data]);
  useWatch<{ changed: Device[] }>("devices", { every_ms: 2000 }, ({ changed }) => {
    for (const one of changed) known.current.set(keyOf(one), one);
    setRows([...known.current.values()]);
  });
  return { ...asked, rows };
}

export function DeviceList() {
  const [place, change] = usePlace();
  const [, go] = useLocation();
  const { rows, data, error, reload } = useDevices();
  const [isAccepting, setAccepting] = useState(false);
  const sought = place.get("q") ?? "", state = place.get("state") ?? "", kind = place.get("status") ?? "";
  const label = place.get("label") ?? "", node = place.get("at") ?? "";
  const filtered = useMemo(() => (rows ?? []).filter(fits(sought, { status: kind, label, node })), [rows, sought, kind, label, node]);
  const shown = useMemo(() => (state ? filtered.filter((one) => one.state === state) : filtered), [filtered, state]);
  const nodes = useMemo(() => [...new Set((rows ?? []).map((one) => one.node))].sort(), [rows]);
  const labels = useMemo(() => [...new Set((rows ?? []).flatMap((one) => one.labels))].sort(), [rows]);
  const columns = useMemo(() => columnsOf(nodes.length > 1), [nodes.length > 1]);
  if (error && !rows) return <ErrorNote error={error} />;
  if (!rows) return <Loading label="Loading devices" />;
  const fresh = rows.filter((one) => one.status === "new" && one.node === status.value?.node);
  const count = (name: string): number => filtered.reduce((n, one) => n + Number(one.state === name), 0);
  const choices = [["", `All ${whole(filtered.length)}`], ...STATES.map((name) => [name, `${title(name)} ${whole(count(name))}`])] as [string, string][];
  const isFiltered = Boolean(sought || state || kind || label || node);
  return (
    <Page
      title="Devices"
      about={about(rows, data?.total ?? rows.length)}
      actions={
        fresh.length > 0 && (
          <Button needs="admin" icon="check" onClick={() => setAccepting(true)}>
            {`Accept ${whole(fresh.length)} new`}
          </Button>
        )
      }
    >
      <div class="row">
        <Search label="Search devices" placeholder="Name, label or note" value={sought} onChange={(q) => change({ q })} />
        <Segment label="State" value={state} choices={choices} onChange={(to) => change({ state: to })} />
        <Choice label="Status" value={kind} all="Any status" values={["new", "accepted", "retired"]} onChange={(to) => change({ status: to })} />
        {labels.length > 0 && <Choice label="Label" value={label} all="Any label" values={labels} onChange={(to) => change({ label: to })} />}
        {nodes.length > 1 && <Choice label="Node" value={node} all="All nodes" values={nodes} onChange={(to) => change({ at: to })} />}
        {isFiltered && (
          <Button look="quiet" icon="close" onClick={() => change({ q: "", state: "", status: "", label: "", at: "" })}>
            Clear
          </Button>
        )}
      </div>
      <Card flush>
        <Table
          label="Devices"
          rows={shown}
          columns={columns}
          id={keyOf}
          onOpen={(one) => go(linkTo(one))}
          sortBy="State"
          maxHeight="calc(100vh - 13rem)"
          empty={
            isFiltered ? (
              <Empty title="No device fits the filters." />
            ) : (
              <FirstDevice />
            )
          }
        />
      </Card>
      {isAccepting && <Change what="accept" devices={fresh} onClose={() => setAccepting(false)} onDone={reload} />}
    </Page>
  );
}

const title = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

function about(rows: readonly Device[], total: number): string {
  const trouble = rows.filter((one) => (one.state === "silent" || one.state === "late") && one.status !== "retired").length;
  const said = trouble ? `${whole(trouble)} late or silent` : "none late or silent";
  return rows.length < total ? `The first ${whole(rows.length)} of ${whole(total)}; ${said}` : `${whole(total)} known; ${said}`;
}

function fits(sought: string, only: { status: string; label: string; node: string }): (one: Device) => boolean {
  const words = sought.toLowerCase().split(/\s+/).filter(Boolean);
  return (one) => {
    if (only.status && one.status !== only.status) return false;
    if (only.label && !one.labels.includes(only.label)) return false;
    if (only.node && one.node !== only.node) return false;
    if (!words.length) return true;
    const text = [one.name, one.node, one.note, one.hardware, ...one.labels, ...one.former].join("\n").toLowerCase();
    return words.every((word) => text.includes(word));
  };
}

function columnsOf(isTree: boolean): Column<Device>[] {
  return [
    {
      name: "Device",
      sort: (one) => one.name,
      cell: (one) => (
        <Link class="device-name" href={linkTo(one)} title={one.note || one.name}>
          {one.name}
        </Link>
      ),
    },
    {
      name: "State",
      sort: (one) => `${ORDER.indexOf(one.state)} ${one.name}`,
      cell: (one) => (
        <span class="row one-line">
          <Badge mood={stateMood(one.state)}>{one.state || "not told"}</Badge>
          {one.status && one.status !== "accepted" && (
            <span class="wide-only">
              <Badge mood={one.status === "new" ? "info" : ""}>{one.status}</Badge>
            </span>
          )}
        </span>
      ),
    },
    { name: "Last heard", sort: (one) => -one.last_ns, cell: (one) => <span class="nowrap" title={exact(one.last_ns)}>{ago(one.last_ns)}</span> },
    { name: "Per minute", isNumber: true, wideOnly: true, sort: (one) => one.rate, cell: (one) => rate(one.rate) },
    { name: "Refused 24 h", isNumber: true, sort: refusedShare, cell: (one) => <Refused one={one} /> },
    { name: "Messages", isNumber: true, wideOnly: true, sort: (one) => one.messages, cell: (one) => short(one.messages) },
    { name: "Series", isNumber: true, wideOnly: true, sort: (one) => one.series, cell: (one) => whole(one.series) },
    ...(isTree ? [{ name: "Node", wideOnly: true, sort: (one: Device) => one.node, cell: (one: Device) => one.node }] : []),
    {
      name: "Labels",
      wideOnly: true,
      sort: (one) => one.labels.join(" "),
      cell: (one) => (
        <span class="row one-line">
          {one.labels.slice(0, 3).map((text) => (
            <Badge key={text}>{text}</Badge>
          ))}
          {one.labels.length > 3 && <span class="faint">{`+${one.labels.length - 3}`}</span>}
        </span>
      ),
    },
  ];
}

function Refused({ one }: { one: Device }) {
  const share = refusedShare(one);
  if (one.held) return <Badge mood="info" title="Kept raw until somebody accepts the device">{`${short(one.held)} held`}</Badge>;
  return <span class={share > 0.1 ? "tone-bad" : share > 0.01 || one.over_budget ? "tone-warn" : "soft"}>{percent(share)}</span>;
}

function Choice(props: { label: string; value: string; all: string; values: readonly string[]; onChange: (value: string) => void }) {
  return (
    <select class="select narrow" aria-label={props.label} value={props.value} onChange={(event) => props.onChange(event.currentTarget.value)}>
      <option value="">{props.all}</option>
      {props.values.map((one) => (
        <option key={one} value={one}>
          {one}
        </option>
      ))}
    </select>
  );
}
