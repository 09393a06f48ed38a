// Decode refused messages again: first only told, then done.
import { useEffect, useState } from "preact/hooks";
import { ApiError, send } from "~/lib/api";
import { whole } from "~/lib/format";
import { words, type Replayed } from "~/pages/quarantine/model";
import { Button, ErrorNote, Loading } from "~/parts/basic";
import { Dialog } from "~/parts/Dialog";

export interface Chosen {
  says: string;
  request: { ids?: number[]; reason?: string; source?: string; topic?: string; since_ns?: number };
}

export function Replay({ chosen, onClose, onDone }: { chosen: Chosen; onClose: () => void; onDone: () => void }) {
  const [foretold, setForetold] = useState<Replayed | null>(null);
  const [done, setDone] = useState<Replayed | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [isBusy, setBusy] = useState(true);
  const ask = async (dry_run: boolean): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      const found = await send<Replayed>("POST", "quarantine/replay", { ...chosen.request, dry_run });
      if (dry_run) setForetold(found);
      else setDone(found);
    } catch (failure) {
      setError(failure instanceof ApiError ? failure : new ApiError(0, String(failure)));
    }
    setBusy(false);
  };
  useEffect(() => void ask(true), []);
  const close = (): void => {
    if (done) onDone();
    onClose();
  };
  const isUseful = foretold !== null && foretold.replayed + foretold.repeats > 0;
  return (
    <Dialog
      title={done ? "Replayed" : "Replay"}
      onClose={close}
      footer={
        done ? (
          <Button look="main-action" onClick={close}>
            Close
          </Button>
        ) : (
          <>
            <Button onClick={close}>Cancel</Button>
            <Button needs="operator" look="main-action" disabled={isBusy || !isUseful} onClick={() => void ask(false)}>
              Replay now
            </Button>
          </>
        )
      }
    >
      <p>{`${chosen.says}.`}</p>
      {error && <ErrorNote error={error} />}
      <div role="status" class="stack">
        {isBusy && <Loading label={foretold ? "Replaying" : "Looking what would happen"} />}
        {!isBusy && done && <Outcome found={done} />}
        {!isBusy && !done && foretold && <Outcome found={foretold} />}
        {!isBusy && !done && foretold && !isUseful && <p class="soft">Nothing would change: mend the profile first, and load it.</p>}
      </div>
      {!done && <p class="small soft">Each message is stored at most once, however often it is replayed. Rules don't see replayed readings.</p>}
    </Dialog>
  );
}

function Outcome({ found }: { found: Replayed }) {
  const became = found.dry_run ? "would become" : "became";
  const still = Object.entries(found.still_rejected);
  return (
    <ul class="outcome">
      <li>
        <strong>{`${whole(found.replayed)} ${found.replayed === 1 ? "message" : "messages"} ${became} ${whole(found.readings)} ${found.readings === 1 ? "reading" : "readings"}`}</strong>
      </li>
      {found.repeats > 0 && <li>{`${whole(found.repeats)} came again in the meantime and were accepted: taken out as duplicates`}</li>}
      {still.map(([reason, n]) => (
        <li key={reason}>{`${whole(n)} ${found.dry_run ? "would stay" : "stay"} refused: ${words(reason)}`}</li>
      ))}
      {found.dropped > 0 && <li>{`${whole(found.dropped)} fell out of the quarantine's bound meanwhile`}</li>}
    </ul>
  );
}
