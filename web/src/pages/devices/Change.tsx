// Accept, retire, describe, rename, replace: each asks first, and says what it means.
import { useState } from "preact/hooks";
import { send } from "~/lib/api";
import { whole } from "~/lib/format";
import { attempt, say } from "~/parts/Toasts";
import { Button, Field } from "~/parts/basic";
import { Dialog } from "~/parts/Dialog";
import type { Changed, Device } from "~/pages/devices/model";

export type What = "accept" | "retire" | "describe" | "rename" | "replace";

const ABOUT: Record<What, { title: string; says: string; button: string }> = {
  accept: { title: "Accept", says: "Its readings are stored from now on. What was kept raw until now becomes readings as well.", button: "Accept" },
  retire: { title: "Retire", says: "Whatever it sends from now on is refused and kept raw. What it sent so far stays. Accept it to take it back.", button: "Retire" },
  describe: { title: "Labels and note", says: "For people, filters and rules; nothing is stored otherwise.", button: "Save" },
  rename: { title: "Rename", says: "New readings go under the new name. What is stored keeps its old name and is still found with the device.", button: "Rename" },
  replace: { title: "Replace its hardware", says: "From now on this name means another piece of hardware: give the name that it calls itself by.", button: "Replace" },
};
const NAMED = 8;

interface Props {
  what: What;
  devices: readonly Device[];
  onClose: () => void;
  onDone: (changed: Changed) => void;
}

export function Change({ what, devices, onClose, onDone }: Props) {
  const one = devices[0];
  const [to, setTo] = useState("");
  const [labels, setLabels] = useState(one?.labels.join(", ") ?? "");
  const [note, setNote] = useState(one?.note ?? "");
  const [isBusy, setBusy] = useState(false);
  const about = ABOUT[what], needsName = what === "rename" || what === "replace";
  const act = async (): Promise<void> => {
    setBusy(true);
    const isDone = await attempt(async () => {
      const body = { do: what, devices: devices.map(({ name }) => name), ...more() };
      const changed = await send<Changed>("POST", "devices", body);
      say(outcome(what, changed));
      onDone(changed);
    }, "");
    setBusy(false);
    if (isDone) onClose();
  };
  const more = (): object => {
    if (needsName) return { to: to.trim() };
    return what === "describe" ? { labels: labels.split(",").map((text) => text.trim()).filter(Boolean), note: note.trim() } : {};
  };
  return (
    <Dialog
      title={devices.length === 1 ? `${about.title}: ${one?.name ?? ""}` : `${about.title} ${whole(devices.length)} devices`}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button needs="admin" look={what === "retire" ? "danger" : "main-action"} disabled={isBusy || (needsName && !to.trim())} onClick={() => void act()}>
            {about.button}
          </Button>
        </>
      }
    >
      <p>{about.says}</p>
      {devices.length > 1 && (
        <p class="soft wrap">
          {devices.slice(0, NAMED).map(({ name }) => name).join(", ")}
          {devices.length > NAMED && ` and ${whole(devices.length - NAMED)} more`}
        </p>
      )}
      {needsName && (
        <Field label={what === "rename" ? "New name" : "Name of the new hardware"} hint={what === "replace" ? "As it stands in its topic or payload." : undefined}>
          <input class="input" value={to} maxLength={200} onInput={(event) => setTo(event.currentTarget.value)} />
        </Field>
      )}
      {what === "describe" && (
        <>
          <Field label="Labels" hint="With commas between them, as in line-3, north.">
            <input class="input" value={labels} onInput={(event) => setLabels(event.currentTarget.value)} />
          </Field>
          <Field label="Note">
            <input class="input" value={note} maxLength={500} onInput={(event) => setNote(event.currentTarget.value)} />
          </Field>
        </>
      )}
    </Dialog>
  );
}

const PAST: Record<What, string> = { accept: "accepted", retire: "retired", describe: "described", rename: "renamed", replace: "replaced" };

function outcome(what: What, changed: Changed): string {
  const names = changed.devices.length === 1 ? changed.devices[0] : `${whole(changed.devices.length)} devices`;
  const released = changed.released ? `; ${whole(changed.released)} kept messages became ${whole(changed.readings)} readings` : "";
  return `${names} ${changed.devices.length === 1 ? "is" : "are"} ${PAST[what]}${released}.`;
}
