// What people said of its alerts and devices: what a better version is measured against.
import { useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { send } from "~/lib/api";
import { percent, whole } from "~/lib/format";
import { useLoad } from "~/lib/load";
import { usePlace } from "~/lib/place";
import { exact, inputTime, lasting, moment, wallTime } from "~/lib/time";
import { Button, Card, Empty, ErrorNote, Field, Loading, Stat } from "~/parts/basic";
import { Dialog } from "~/parts/Dialog";
import { Table } from "~/parts/Table";
import { attempt } from "~/parts/Toasts";
import type { Detail, Label } from "./types";
import { pathOf } from "./words";

const NONE: Label[] = [];

export function Labels({ detail, onDone }: { detail: Detail; onDone: () => void }) {
  const { row, labels } = detail;
  const asked = useLoad<{ labels: Label[]; more: number }>(`${pathOf(row.name)}/labels`, { limit: 200 }, 15_000);
  const [place, change] = usePlace();
  const [isAsking, setAsking] = useState(place.has("from")); // from an alert: about its device and time
  const close = (): void => {
    setAsking(false);
    change({ device: "", from: "", to: "" });
  };
  return (
    <div class="stack">
      <div class="grid model-figures">
        <Stat title="Confirmed" value={whole(labels.confirmed)} note="alerts that were right" />
        <Stat title="Rejected" value={whole(labels.rejected)} note="alerts that were none" />
        <Stat title="Said of a time" value={whole(labels.given)} note="what a device was, from when to when" />
        <Stat title="Results judged by them" value={whole(detail.drift.labelled)} note={detail.drift.error === null ? "labels wait for results of their devices and times" : `of late ${percent(detail.drift.error)} were wrong`} />
      </div>
      <Card
        title="Labels"
        flush
        actions={
          <>
            {row.rule && <Link class="button" href={`/alerts?rule=${encodeURIComponent(row.rule)}&state=all`}>Confirm or reject its alerts</Link>}
            <Button icon="plus" needs="operator" onClick={() => setAsking(true)}>Say what was</Button>
          </>
        }
      >
        {asked.error && <ErrorNote error={asked.error} />}
        {!asked.data && !asked.error ? (
          <Loading label="Loading labels" />
        ) : (
          <Table
            label="Labels"
            rows={asked.data?.labels ?? NONE}
            id={(one) => one.id}
            maxHeight="32rem"
            empty={<Empty title="Nobody has said anything yet.">With labels, errors are known and not only differences: a version beside the active one gets a verdict, and a drift of the errors is seen. holdfast model labels exports them for training.</Empty>}
            columns={[
              { name: "When", sort: (one) => -one.start_ns, cell: (one) => <span class="nowrap" title={`${exact(one.start_ns)} to ${exact(one.end_ns)}`}>{`${moment(one.start_ns)}, ${lasting((one.end_ns - one.start_ns) / 1e9)}`}</span> },
              { name: "Device", sort: (one) => one.device, cell: (one) => <Link href={`/devices/${encodeURIComponent(one.device)}`}>{one.device}</Link> },
              { name: "It was", sort: (one) => one.label, cell: (one) => <strong class="clip label-cell" title={one.label}>{one.label.startsWith("!") ? `not ${one.label.slice(1)}` : one.label}</strong> },
              { name: "Who", sort: (one) => one.by, cell: (one) => <span class="clip who">{one.by}</span>, wideOnly: true },
              { name: "Why", cell: (one) => <span class="clip" title={one.comment}>{one.comment || "—"}</span>, wideOnly: true },
              { name: "Alert", cell: (one) => (one.alert ? <Link href={`/alerts/${one.alert}`}>{`alert ${one.alert}`}</Link> : ""), wideOnly: true },
            ]}
          />
        )}
      </Card>
      {isAsking && <SayDialog detail={detail} about={place} onClose={close} onDone={() => { asked.reload(); onDone(); }} />}
    </div>
  );
}

function SayDialog({ detail, about, onClose, onDone }: { detail: Detail; about: URLSearchParams; onClose: () => void; onDone: () => void }) {
  const choices = detail.classes, known = detail.devices.find((one) => one.join("/") === about.get("device")), first = known ?? detail.devices[0];
  const timeOf = (name: string): string => (Number(about.get(name)) > 0 ? inputTime(Number(about.get(name))) : "");
  const [place, setPlace] = useState(first ? first.join("\n") : ""), [label, setLabel] = useState(choices.at(-1) ?? "");
  const [from, setFrom] = useState(timeOf("from")), [to, setTo] = useState(timeOf("to")), [why, setWhy] = useState(""), [isBusy, setBusy] = useState(false);
  const isReady = place !== "" && label.trim() !== "" && from !== "" && (to === "" || to > from);
  const go = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (!isReady || isBusy) return;
    setBusy(true);
    const [node = "", device = ""] = place.split("\n");
    const wish = { node, device, label: label.trim(), start: wallTime(from), end: to ? wallTime(to) : "now", comment: why.trim() };
    const isDone = await attempt(() => send("POST", `${pathOf(detail.row.name)}/labels`, wish), "Kept.");
    setBusy(false);
    if (!isDone) return;
    onDone();
    onClose();
  };
  return (
    <Dialog
      title="What was it?"
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="main-action" needs="operator" disabled={!isReady || isBusy} type="submit" form="truth">Keep it</Button>
        </>
      }
    >
      <form id="truth" class="stack" onSubmit={(event) => void go(event)}>
        <p class="soft">What you say is compared with what was predicted then, and is exported with the features of that time.</p>
        <Field label="Device">
          <select class="select" value={place} onChange={(event) => setPlace(event.currentTarget.value)}>
            {detail.devices.map(([node, device]) => <option key={`${node}/${device}`} value={`${node}\n${device}`}>{`${node}/${device}`}</option>)}
          </select>
        </Field>
        <Field label="It was">
          {choices.length ? (
            <select class="select" value={label} onChange={(event) => setLabel(event.currentTarget.value)}>
              {choices.map((one) => <option key={one} value={one}>{one}</option>)}
            </select>
          ) : (
            <input class="input" value={label} onInput={(event) => setLabel(event.currentTarget.value)} inputMode="decimal" required />
          )}
        </Field>
        <div class="grid">
          <Field label="From">
            <input class="input" type="datetime-local" step="1" value={from} onInput={(event) => setFrom(event.currentTarget.value)} required />
          </Field>
          <Field label="To" hint="empty: until now" {...(to !== "" && from !== "" && to <= from ? { wrong: "Not after its beginning." } : {})}>
            <input class="input" type="datetime-local" step="1" value={to} onInput={(event) => setTo(event.currentTarget.value)} />
          </Field>
        </div>
        <Field label="Why">
          <input class="input" value={why} onInput={(event) => setWhy(event.currentTarget.value)} maxLength={500} />
        </Field>
      </form>
    </Dialog>
  );
}
