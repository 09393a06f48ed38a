// What may be done with a version, and the question that says what will happen.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { send } from "~/lib/api";
import { percent, whole } from "~/lib/format";
import type { Role as May } from "~/lib/session";
import { Button, Field } from "~/parts/basic";
import { Dialog } from "~/parts/Dialog";
import type { IconName } from "~/parts/Icon";
import { attempt } from "~/parts/Toasts";
import { versionsOf, type Deed, type Detail, type Version } from "./types";
import { pathOf, VERDICTS } from "./words";

export interface Asked {
  deed: Deed;
  version?: Version;
}

interface About {
  words: string;
  needs: May;
  look?: "main-action" | "danger" | "quiet" | undefined;
  icon?: IconName | undefined;
}

export const DEEDS: Record<Deed, About> = {
  load: { words: "Load", needs: "admin" },
  shadow: { words: "Shadow", needs: "operator" },
  canary: { words: "Canary", needs: "admin" },
  promote: { words: "Promote", needs: "admin" },
  relearn: { words: "Learn anew", needs: "admin" },
  rollback: { words: "Roll back", needs: "operator" },
  retire: { words: "Retire", needs: "admin" },
};
const MOST_PERCENT = 100;

/** What a rollback does; empty = nothing. */
export function rollback(detail: Detail): string {
  const canaries = versionsOf(detail).filter((one) => one.state === "canary").map((one) => one.ref);
  if (canaries.length) return `${canaries.join(", ")} ${canaries.length > 1 ? "answer" : "answers"} for no device any more: the active version does`;
  return detail.former && `${detail.former} becomes active again${detail.active && `, and ${detail.active} retires`}`;
}

/** What will happen, for whoever is about to press the button. */
function effects(asked: Asked, detail: Detail, share: number): ComponentChildren[] {
  const { row } = detail, ref = asked.version?.ref ?? "", acting = row.active;
  const devices = whole(row.devices), some = whole(Math.max(1, Math.round((row.devices * share) / 100)));
  switch (asked.deed) {
    case "load":
      return ["The model is looked up by its name here, at the parent, or in a folder; its digest is verified and it’s tried once.", "It becomes a candidate and doesn’t run yet."];
    case "shadow":
      return [`${ref} scores every row beside ${acting || "whatever answers"}, and both are compared.`, "What it says is no reading, raises no alert and reaches no rule.", "It costs memory and time of the same workers; when time is short, shadows are left out first."];
    case "canary":
      return [`${ref} answers for about ${some} of ${devices} ${row.devices === 1 ? "device" : "devices"}; the same devices stay with it.`, `${acting} answers for the others.`, "Its results are readings: rules and alerts follow from them."];
    case "promote":
      return [`${ref} answers for all devices from the next row on: ${devices} now.`, acting ? `${acting} retires; Roll back brings it back.` : "Nothing was active before.", "Alerts and rules follow from what it says."];
    case "rollback":
      return [`${rollback(detail)}.`, "It counts from the next row on. What the other version said stays stored, with its version."];
    case "relearn":
      return ["What comes from now on is taken as usual, of every device: its alarms end.", "Nothing is alarmed until that is learnt.", "Where the card has a baseline, the deployment as a whole is still measured against that."];
    case "retire":
      return [`${ref} doesn’t run any more; its memory is free.`, "Its model stays on disk, and its history stays here."];
  }
}

const DONE: Record<Deed, (ref: string) => string> = {
  load: (ref) => `${ref} is a candidate.`,
  shadow: (ref) => `${ref} runs in shadow.`,
  canary: (ref) => `${ref} is a canary.`,
  promote: (ref) => `${ref} is active.`,
  rollback: () => "Rolled back.",
  retire: (ref) => `${ref} is retired.`,
  relearn: () => "It learns anew.",
};

const TITLES: Record<Deed, (ref: string, deployment: string) => string> = {
  load: (_, deployment) => `Load a version for ${deployment}`,
  shadow: (ref) => `Run ${ref} in shadow?`,
  canary: (ref) => `Let ${ref} answer for some devices?`,
  promote: (ref) => `Promote ${ref}?`,
  relearn: (_, deployment) => `Learn anew what is usual for ${deployment}?`,
  rollback: (_, deployment) => `Roll ${deployment} back?`,
  retire: (ref) => `Retire ${ref}?`,
};

export function DeedDialog({ asked, detail, onClose, onDone }: { asked: Asked; detail: Detail; onClose: () => void; onDone: () => void }) {
  const { deed, version } = asked, { words, needs } = DEEDS[deed];
  const [model, setModel] = useState(""), [why, setWhy] = useState(""), [isForced, setForced] = useState(false);
  const [share, setShare] = useState(String(version?.state === "canary" ? version.share : 10));
  const [isBusy, setBusy] = useState(false);
  const part = Number(share), isShare = deed !== "canary" || (part > 0 && part <= MOST_PERCENT);
  const asksForce = version?.asks_force.some((one) => one === deed) ?? false;
  const verdict = detail.comparisons.find((one) => one.version === version?.ref);
  const isReady = isShare && (deed !== "load" || model.trim() !== "") && (!asksForce || isForced);
  const go = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (!isReady || isBusy) return;
    setBusy(true);
    const wish = deed === "relearn" ? { why: why.trim() } : { version: deed === "load" ? model.trim() : (version?.ref ?? ""), why: why.trim(), force: isForced, ...(deed === "canary" ? { percent: part } : {}) };
    const isDone = await attempt(() => send("POST", `${pathOf(detail.name)}/${deed}`, wish), DONE[deed](version?.ref ?? model.trim()));
    setBusy(false);
    if (!isDone) return;
    onDone();
    onClose();
  };
  return (
    <Dialog
      title={TITLES[deed](version?.ref ?? "", detail.name)}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look={deed === "retire" || deed === "rollback" ? "danger" : "main-action"} needs={needs} disabled={!isReady || isBusy} type="submit" form="deed">{words}</Button>
        </>
      }
    >
      <form id="deed" class="stack" onSubmit={(event) => void go(event)}>
        <ul class="effects">
          {effects(asked, detail, isShare ? part : 0).map((one, i) => (
            <li key={i}>{one}</li>
          ))}
        </ul>
        {verdict && (deed === "promote" || deed === "canary") && (
          <p class={`model-verdict ${VERDICTS[verdict.verdict]}`}>
            <strong>{`In comparison: ${verdict.verdict}. `}</strong>
            {verdict.words}
            {verdict.agreement !== null && `; it agrees in ${percent(verdict.agreement)} of the rows`}
          </p>
        )}
        {deed === "load" && (
          <Field label="Model" hint="name@version, builtin:name or sha256:…">
            <input class="input" value={model} onInput={(event) => setModel(event.currentTarget.value)} placeholder="pump-anomaly@2.0.0" required maxLength={200} />
          </Field>
        )}
        {deed === "canary" && (
          <Field label="Share of the devices, in percent" {...(isShare ? {} : { wrong: "Above 0, at most 100." })}>
            <input class="input share" type="number" min="0.1" max={MOST_PERCENT} step="any" value={share} onInput={(event) => setShare(event.currentTarget.value)} required />
          </Field>
        )}
        {asksForce && (
          <label class="model-check">
            <input type="checkbox" checked={isForced} onChange={(event) => setForced(event.currentTarget.checked)} />
            <span>
              <strong>{`${version?.caution ?? ""}. `}</strong>
              Do it all the same.
            </span>
          </label>
        )}
        <Field label="Why" hint="for the history and the audit">
          <input class="input" value={why} onInput={(event) => setWhy(event.currentTarget.value)} maxLength={500} />
        </Field>
      </form>
    </Dialog>
  );
}
