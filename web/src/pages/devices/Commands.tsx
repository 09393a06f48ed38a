// What a device was commanded, and commanding it: each command is followed until its end.
import { useEffect, useState } from "preact/hooks";
import { status } from "~/app";
import { ApiError, get, send } from "~/lib/api";
import { whole } from "~/lib/format";
import { useLoad } from "~/lib/load";
import { ago, exact, lasting, now } from "~/lib/time";
import { commandMood, pathOf, type Command, type Device } from "~/pages/devices/model";
import { Badge, Button, Card, Empty, ErrorNote, Field } from "~/parts/basic";
import { Dialog } from "~/parts/Dialog";

const SHOWN = 20, MOST = 500;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

export function Commands({ device }: { device: Device }) {
  const [limit, setLimit] = useState(SHOWN);
  const path = `${pathOf(device.name)}/commands`;
  const past = useLoad<Command[]>(path, { node: device.node, limit }, 5000);
  const [isOpen, setOpen] = useState(false);
  const none = past.error?.status === 404;
  return (
    <Card
      title="Commands"
      flush
      actions={
        !none && (
          <Button needs="operator" icon="play" onClick={() => setOpen(true)}>
            Send a command
          </Button>
        )
      }
    >
      {past.error && !none && <ErrorNote error={past.error} />}
      {none || past.data?.length === 0 ? (
        <Empty title={none ? "This node sends no commands." : "It was never commanded."}>{!none && "A command is kept until the device has answered, or its time is over."}</Empty>
      ) : (
        <ul class="lines">{past.data?.map((one) => <Line key={one.id} one={one} />)}</ul>
      )}
      {past.data && past.data.length >= limit && limit < MOST && (
        <div class="row" style={{ padding: "0.6rem 1rem" }}>
          <Button look="quiet" onClick={() => setLimit(Math.min(limit * 5, MOST))}>
            Show more
          </Button>
        </div>
      )}
      {isOpen && <Send device={device} onClose={() => setOpen(false)} onSent={past.reload} />}
    </Card>
  );
}

function Line({ one }: { one: Command }) {
  const params = JSON.stringify(one.params);
  return (
    <li>
      <div class="row apart">
        <span class="row">
          <strong>{one.name}</strong>
          <Badge mood={commandMood(one.state)}>{one.state}</Badge>
          {one.doubt && <Badge mood="warn" title="It may have been done: the answer was lost">in doubt</Badge>}
        </span>
        <span class="soft small" title={exact(one.made_ns)}>{`${ago(one.made_ns)}, by ${one.origin}`}</span>
      </div>
      {params !== "{}" && <code class="wrap small">{params}</code>}
      {one.detail && <span class="small soft wrap">{one.detail}</span>}
      {one.result !== null && <code class="wrap small">{JSON.stringify(one.result)}</code>}
      {one.late !== null && <span class="small tone-warn wrap">{`Answered after its end: ${JSON.stringify(one.late)}`}</span>}
    </li>
  );
}

function parsed(text: string): { params?: object; wrong?: string } {
  try {
    const found: unknown = JSON.parse(text.trim() || "{}");
    if (typeof found === "object" && found !== null && !Array.isArray(found)) return { params: found };
    return { wrong: 'A JSON object, as in {"speed": 3}.' };
  } catch (error) {
    return { wrong: error instanceof Error ? error.message : String(error) };
  }
}

function Send({ device, onClose, onSent }: { device: Device; onClose: () => void; onSent: () => void }) {
  const [name, setName] = useState("");
  const [text, setText] = useState("{}");
  const [deadline, setDeadline] = useState("30");
  const [sent, setSent] = useState<Command | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const { params, wrong } = parsed(text);
  const seconds = Number(deadline), isNamed = NAME.test(name);
  const isReady = isNamed && params !== undefined && seconds > 0;
  const act = async (): Promise<void> => {
    setError(null);
    try {
      const isBelow = device.node !== status.value?.node;
      const body = { name, params, deadline: seconds, ...(isBelow ? { node: device.node } : {}) };
      setSent(await send<Command>("POST", `${pathOf(device.name)}/commands`, body));
      onSent();
    } catch (failure) {
      setError(failure instanceof ApiError ? failure : new ApiError(0, String(failure)));
    }
  };
  if (sent) return <Followed first={sent} device={device} onClose={onClose} onEnd={onSent} onAgain={() => setSent(null)} />;
  return (
    <Dialog
      title={`Command ${device.name}`}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button needs="operator" look="main-action" disabled={!isReady} onClick={() => void act()}>
            Send it
          </Button>
        </>
      }
    >
      {error && <ErrorNote error={error} />}
      <Field label="Name" wrong={name && !isNamed ? "Letters, digits, dots, dashes and underscores; at most 64." : undefined} hint="What the device shall do, as in open or set-speed.">
        <input class="input mono" value={name} autocomplete="off" onInput={(event) => setName(event.currentTarget.value)} />
      </Field>
      <Field label="Parameters (JSON)" wrong={wrong}>
        <textarea class="textarea" rows={4} value={text} spellcheck={false} onInput={(event) => setText(event.currentTarget.value)} />
      </Field>
      <Field label="Deadline (seconds)" wrong={seconds > 0 ? undefined : "A number above 0."} hint="Not done by then: it's given up, and said so.">
        <input class="input" type="number" min="1" value={deadline} onInput={(event) => setDeadline(event.currentTarget.value)} />
      </Field>
    </Dialog>
  );
}

/** Ask until it has ended. */
function useFollowed(first: Command, device: Device, onEnd: () => void): { one: Command; trouble: string } {
  const [one, setOne] = useState(first);
  const [trouble, setTrouble] = useState("");
  useEffect(() => {
    const giveUp = new AbortController();
    const path = `${pathOf(device.name)}/commands/${encodeURIComponent(first.id)}`;
    const ask = async (): Promise<void> => {
      let known = first;
      while (!known.ended_ns && !giveUp.signal.aborted) {
        try {
          known = await get<Command>(path, { wait: known.delivered_ns ? 20 : 1 }, giveUp.signal);
          setOne(known);
          setTrouble("");
        } catch (error) {
          if (giveUp.signal.aborted) return;
          setTrouble(error instanceof Error ? error.message : String(error));
          await new Promise((done) => setTimeout(done, 2000));
        }
      }
      if (known.ended_ns) onEnd();
    };
    void ask();
    return () => giveUp.abort();
  }, [first.id]);
  return { one, trouble };
}

function Followed(props: { first: Command; device: Device; onClose: () => void; onEnd: () => void; onAgain: () => void }) {
  const { one, trouble } = useFollowed(props.first, props.device, props.onEnd);
  const left = (one.deadline_ns / 1e6 - now.value) / 1000;
  return (
    <Dialog
      title={`${one.name} to ${props.device.name}`}
      onClose={props.onClose}
      footer={
        <>
          {one.ended_ns > 0 && <Button onClick={props.onAgain}>Send another</Button>}
          <Button look="main-action" onClick={props.onClose}>
            Close
          </Button>
        </>
      }
    >
      <ol class="steps" aria-label="How far it is">
        <Step text="on disk" at={one.made_ns} />
        <Step text="sent" at={one.sent_ns} />
        <Step text="delivered" at={one.delivered_ns} />
        <Step text={one.ended_ns ? one.state : "ended"} at={one.ended_ns} />
      </ol>
      <div role="status" class="stack">
        {one.ended_ns ? (
          <p>
            <Badge mood={commandMood(one.state)}>{one.state}</Badge>
            {` after ${lasting((one.ended_ns - one.made_ns) / 1e9)}. ${one.detail}`}
          </p>
        ) : (
          <p class="soft">{left > 0 ? `Waiting for its answer, ${whole(left)} s at most. It goes on if you close this.` : "Its deadline has passed."}</p>
        )}
        {trouble && <p class="tone-warn">{trouble}</p>}
        {one.result !== null && <pre class="payload">{JSON.stringify(one.result, null, 2)}</pre>}
      </div>
    </Dialog>
  );
}

function Step({ text, at }: { text: string; at: number }) {
  return (
    <li class={at ? "reached" : ""}>
      <i class={at ? "dot good" : "dot"} aria-hidden="true" />
      {text}
      {at > 0 && <span class="hidden-text">reached</span>}
    </li>
  );
}
