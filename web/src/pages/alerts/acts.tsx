// What people do about alerts: dialogs that ask what must be said, and the requests behind them.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { send, siteOf } from "~/lib/api";
import { me } from "~/lib/session";
import { Button, Field } from "~/parts/basic";
import { Dialog } from "~/parts/Dialog";
import { KeysDialog as Keys } from "~/parts/Keys";
import { attempt } from "~/parts/Toasts";
import type { Alert, Match } from "~/pages/alerts/data";

const NAME = "holdfast.name";

/** Who acts: the one who is logged in, or the name that was given here last. */
export function nameBefore(): string {
  if (me.value?.login) return me.value.name;
  try {
    return localStorage.getItem(NAME) ?? "";
  } catch {
    return ""; // a browser that keeps nothing
  }
}

function remember(name: string): void {
  try {
    localStorage.setItem(NAME, name);
  } catch {
    // asked again next time
  }
}

export type Act = "acknowledge" | "comment" | "silence" | "confirmed" | "rejected";

interface Asked {
  title: string;
  done: string;
  words: string;
  mustSay: boolean;
  button: string;
  work: (by: string, text: string, until: string) => Promise<unknown>;
}

/** What is sent to a site that is looked at through its hub. */
export interface FarAct {
  do: Act | "unsilence";
  event?: string;
  by: string;
  text?: string;
  match?: Match;
  until?: string;
  silence?: number;
}

/** Have the hub send it to the site; the hub answers once it can't be lost any more. */
export const sendFar = (site: string, act: FarAct): Promise<unknown> => send("POST", `sites/${encodeURIComponent(site)}/acts`, act, true);
export const SENT = "Sent: it’s done as soon as the site has it.";

function asked(act: Act, one: Alert): Asked {
  const here = askedHere(act, one), site = siteOf();
  if (site !== null) {
    const work = (by: string, text: string, until: string): Promise<unknown> => {
      const about = act === "silence" ? { match: matchOf(one), until } : { event: one.event };
      return sendFar(site, { do: act, by, text, ...about });
    };
    return { ...here, work, done: SENT };
  }
  return here;
}

/** Did the hub send it to a site that has it yet to do? */
const isSent = (answer: unknown): boolean => {
  const { state, below } = (answer ?? {}) as { state?: string; below?: string };
  return state === "waiting" || below === "waiting";
};

const matchOf = (one: Alert): Match => ({ rules: [one.rule], nodes: [one.node], devices: [one.device] });

function askedHere(act: Act, one: Alert): Asked {
  const path = `alerts/${one.id}`, what = `${one.rule} at ${one.device}`;
  switch (act) {
    case "acknowledge":
      return {
        title: `Acknowledge ${what}`, done: "Acknowledged: nobody is reminded any more.", words: "What you'll do (others see it)",
        mustSay: false, button: "Acknowledge", work: (by, comment) => send("POST", `${path}/acknowledge`, { by, comment }),
      };
    case "comment":
      return {
        title: `Comment on ${what}`, done: "Your comment is with the alert.", words: "Comment", mustSay: true, button: "Comment",
        work: (by, comment) => send("POST", `${path}/comments`, { by, comment }),
      };
    case "silence": {
      const match = matchOf(one);
      return {
        title: `Silence ${what}`, done: "Silenced: nobody is told until then.", words: "Why", mustSay: true, button: "Silence",
        work: (by, why, until) => send("POST", "silences", { match, until, by, why }),
      };
    }
    default:
      return {
        title: act === "confirmed" ? `${what} was right` : `${what} was none`,
        done: act === "confirmed" ? "Confirmed: the series' threshold goes down a step." : "Rejected: the series' threshold goes up a step.",
        words: act === "confirmed" ? "What it was" : "Why it was none", mustSay: false, button: act === "confirmed" ? "Confirm" : "Reject",
        work: (by, comment) => send("POST", `${path}/label`, { label: act, by, comment }),
      };
  }
}

export const SPANS = [
  ["+1h", "1 hour"],
  ["+4h", "4 hours"],
  ["+12h", "12 hours"],
  ["+1d", "1 day"],
  ["+7d", "1 week"],
] as const;

export function ActDialog({ act, alert, onDone, onClose }: { act: Act; alert: Alert; onDone: () => void; onClose: () => void }) {
  const [until, setUntil] = useState<string>("+4h");
  const { title, done, words, mustSay, button, work } = asked(act, alert);
  return (
    <Asking
      title={title} button={button} mustSay={mustSay} words={words} onClose={onClose}
      work={(by, text) => attempt(() => work(by, text, until), (answer) => (isSent(answer) ? SENT : done))}
      onDone={onDone}
    >
      {act === "silence" && (
        <Field label="For" hint="What still lasts is told when the silence ends.">
          <select class="select" value={until} onChange={(event) => setUntil(event.currentTarget.value)}>
            {SPANS.map(([value, text]) => (
              <option key={value} value={value}>
                {text}
              </option>
            ))}
          </select>
        </Field>
      )}
    </Asking>
  );
}

/** Asks who and what; closes once it's done. */
export function Asking(props: {
  title: string;
  button: string;
  words: string;
  mustSay: boolean;
  ready?: boolean;
  work: (by: string, text: string) => Promise<boolean>;
  onDone: () => void;
  onClose: () => void;
  children?: ComponentChildren;
}) {
  const [by, setBy] = useState(nameBefore), [text, setText] = useState(""), [isBusy, setBusy] = useState(false);
  const isReady = props.ready !== false && by.trim() !== "" && (!props.mustSay || text.trim() !== "");
  const go = async (): Promise<void> => {
    if (!isReady || isBusy) return;
    setBusy(true);
    remember(by.trim());
    const isDone = await props.work(by.trim(), text.trim());
    setBusy(false);
    if (isDone) {
      props.onDone();
      props.onClose();
    }
  };
  return (
    <Dialog
      title={props.title}
      onClose={props.onClose}
      footer={
        <Button look="main-action" disabled={!isReady || isBusy} onClick={() => void go()}>
          {props.button}
        </Button>
      }
    >
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void go();
        }}
      >
        {props.children}
        {!me.value?.login && (
          <Field label="Your name">
            <input class="input" value={by} maxLength={100} autoFocus={by === ""} onInput={(event) => setBy(event.currentTarget.value)} />
          </Field>
        )}
        <Field label={props.words}>
          <textarea
            class="textarea words" value={text} maxLength={1000} rows={3} autoFocus={by !== ""}
            onInput={(event) => setText(event.currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void go();
            }}
          />
        </Field>
        <button type="submit" hidden>
          {props.button}
        </button>
      </form>
    </Dialog>
  );
}

const KEYS = [
  ["j", "the next alert"],
  ["k", "the one before"],
  ["Enter", "open it"],
  ["a", "acknowledge"],
  ["c", "comment"],
  ["s", "silence"],
  ["u", "back to the list"],
  ["/", "search"],
  ["?", "this help"],
] as const;

export const KeysDialog = ({ onClose }: { onClose: () => void }) => <Keys here={KEYS} onClose={onClose} />;

/** Keys of a page: not while somebody types, and not while a dialog is open. */
export function isTyping(event: KeyboardEvent): boolean {
  const at = event.target;
  if (event.ctrlKey || event.metaKey || event.altKey) return true;
  return document.querySelector("dialog[open]") !== null || (at instanceof HTMLElement && at.closest("input, textarea, select") !== null);
}
