// Adding people and links, and the questions before something ends.
import { useState } from "preact/hooks";
import type { Role } from "~/lib/session";
import { Button, Field, Segment } from "~/parts/basic";
import { Dialog } from "~/parts/Dialog";
import { attempt } from "~/parts/Toasts";
import { LEAST } from "./Mine";
import { change, type Person } from "./People";

const ROLES = [["viewer", "Viewer"], ["operator", "Operator"], ["admin", "Admin"]] as const;
const MAY: Record<Role, string> = {
  viewer: "Looks at everything but commands, people and the audit.",
  operator: "Also deals with alerts, commands devices, replays what was refused.",
  admin: "May do everything: rules, devices, people.",
};

export function AddPerson({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const [password, setPassword] = useState("");
  const add = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (await attempt(() => change({ do: "add", name, role, password }), `${name} may log in now.`)) onClose();
  };
  return (
    <Dialog title="Add somebody" onClose={onClose}
      footer={<Button look="main-action" type="submit" form="add-person" disabled={!name || password.length < LEAST}>Add</Button>}>
      <form id="add-person" class="form" onSubmit={(event) => void add(event)}>
        <Field label="Name">
          <input class="input" autocomplete="off" autocapitalize="none" spellcheck={false} maxLength={60} required value={name}
            onInput={(event) => setName(event.currentTarget.value)} />
        </Field>
        <div class="field">
          <span>Role</span>
          <Segment<Role> label="Role" value={role} choices={ROLES} onChange={setRole} />
          <span class="hint">{MAY[role]}</span>
        </div>
        <Field label="Password" hint={`${LEAST} characters or more; they can change it themselves`}>
          <input class="input" type="password" autocomplete="new-password" minLength={LEAST} required value={password}
            onInput={(event) => setPassword(event.currentTarget.value)} />
        </Field>
      </form>
    </Dialog>
  );
}

const LASTS = [["1", "A day"], ["30", "30 days"], ["90", "90 days"], ["365", "A year"], ["0", "Until it's revoked"]] as const;

export function AddLink({ people, onClose }: { people: readonly Person[]; onClose: () => void }) {
  const [name, setName] = useState("");
  const [owner, setOwner] = useState("");
  const [days, setDays] = useState("30");
  const [made, setMade] = useState("");
  const add = async (event: Event): Promise<void> => {
    event.preventDefault();
    await attempt(async () => {
      const { token } = await change({ do: owner ? "token" : "kiosk", name, owner, for_s: Number(days) * 86_400 });
      setMade(owner ? token : `${location.origin}/kiosk#${token}`);
    }, "");
  };
  if (made) {
    return (
      <Dialog title={owner ? `Token ${name}` : `Link ${name}`} onClose={onClose}
        footer={<Button look="main-action" onClick={() => void attempt(() => navigator.clipboard.writeText(made), "Copied.")}>Copy</Button>}>
        <p>{owner ? "For `Authorization: Bearer …` of scripts." : "Open it once in the screen's browser."} It's shown only now.</p>
        <textarea class="textarea secret" readOnly aria-label={owner ? "Token" : "Link"} value={made} onFocus={(event) => event.currentTarget.select()} />
      </Dialog>
    );
  }
  return (
    <Dialog title="New link" onClose={onClose}
      footer={<Button look="main-action" type="submit" form="add-link" disabled={!name}>Make it</Button>}>
      <form id="add-link" class="form" onSubmit={(event) => void add(event)}>
        <Field label="Name" hint="to know it by, and to revoke it">
          <input class="input" autocomplete="off" spellcheck={false} maxLength={60} required value={name} placeholder="hall"
            onInput={(event) => setName(event.currentTarget.value)} />
        </Field>
        <Field label="For">
          <select class="select" value={owner} onChange={(event) => setOwner(event.currentTarget.value)}>
            <option value="">a wall screen, which only shows</option>
            {people.map((one) => <option key={one.name} value={one.name}>{`scripts of ${one.name} (${one.role})`}</option>)}
          </select>
        </Field>
        <Field label="Good for">
          <select class="select" value={days} onChange={(event) => setDays(event.currentTarget.value)}>
            {LASTS.map(([value, text]) => <option key={value} value={value}>{text}</option>)}
          </select>
        </Field>
      </form>
    </Dialog>
  );
}

const DEEDS = { remove: ["Remove", "is removed."], revoke: ["Revoke", "is revoked."], end: ["Log out", "is logged out."] } as const;

export function Sure({ kind, name, said, onClose }: { kind: keyof typeof DEEDS; name: string; said: string; onClose: () => void }) {
  const [verb, done] = DEEDS[kind];
  const act = async (): Promise<void> => {
    if (await attempt(() => change({ do: kind, name }), kind === "end" ? `The session ${done}` : `${name} ${done}`)) onClose();
  };
  return (
    <Dialog title={`${verb}?`} onClose={onClose}
      footer={<><Button onClick={onClose}>Leave it</Button><Button look="danger" onClick={() => void act()}>{verb}</Button></>}>
      <p>{said}</p>
    </Dialog>
  );
}
