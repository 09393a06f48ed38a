// Who may log in, who is in, and what lets in without a password.
import { useState } from "preact/hooks";
import { send } from "~/lib/api";
import { useLoad } from "~/lib/load";
import { me, type Role } from "~/lib/session";
import { ago, exact } from "~/lib/time";
import { Badge, Button, Card, Empty, ErrorNote, Loading } from "~/parts/basic";
import { Table, type Column } from "~/parts/Table";
import { attempt } from "~/parts/Toasts";
import { AddLink, AddPerson, Sure } from "./dialogs";

export interface Person {
  name: string;
  role: Role;
  made_ns: number;
  changed_ns: number;
}

interface Session {
  id: string;
  name: string;
  kind: "person" | "kiosk";
  made_ns: number;
  seen_ns: number;
  until_ns: number;
  address: string;
  agent: string;
  mine: boolean;
}

interface LinkRow {
  name: string;
  kind: "kiosk" | "token";
  owner: string;
  made_ns: number;
  until_ns: number;
}

interface Everybody {
  people: Person[];
  sessions: Session[];
  links: LinkRow[];
}

/** What is about to be done, and asked about first. */
type Asked = { kind: "person" } | { kind: "link" } | { kind: "remove" | "revoke" | "end"; name: string; said: string };

export const change = (body: object): Promise<{ name: string; token: string }> => send("POST", "people", body, true);

export function People() {
  const { data, error, reload } = useLoad<Everybody>(me.value?.login ? "people" : null, {}, 10_000);
  const [asked, setAsked] = useState<Asked | null>(null);
  if (me.value && !me.value.login) {
    return (
      <Card>
        <Empty title="Nobody logs in at this node.">
          Whoever is on its own machine may do everything, everybody else looks. Write <code>people: true</code> into its node.yaml, restart it,
          and run <code>holdfast people add NODE.YAML NAME --role admin</code>.
        </Empty>
      </Card>
    );
  }
  if (!data) return error ? <ErrorNote error={error} /> : <Loading />;
  const close = (): void => {
    setAsked(null);
    reload();
  };
  const admins = data.people.filter((one) => one.role === "admin").length;
  return (
    <>
      {error && <ErrorNote error={error} />}
      <Card title="People" note={data.people.length} flush
        actions={<Button icon="plus" needs="admin" onClick={() => setAsked({ kind: "person" })}>Add</Button>}>
        <Table label="People" rows={data.people} columns={personColumns(setAsked, reload, admins)} id={(row) => row.name} rowHeight={53} />
      </Card>
      <Card title="Logged in" note={data.sessions.length} flush>
        <Table label="Logged in" rows={data.sessions} columns={sessionColumns(setAsked)} id={(row) => row.id} rowHeight={53}
          empty={<Empty title="Nobody.">People who log in are listed here, with a way to end it.</Empty>} />
      </Card>
      <Card title="Wall screens and scripts" note={data.links.length} flush
        actions={<Button icon="plus" needs="admin" onClick={() => setAsked({ kind: "link" })}>New link</Button>}>
        <Table label="Wall screens and scripts" rows={data.links} columns={linkColumns(setAsked)} id={(row) => row.name} rowHeight={53}
          empty={<Empty title="None.">A wall screen's link shows and changes nothing; a token has its owner's role.</Empty>} />
      </Card>
      {asked?.kind === "person" && <AddPerson onClose={close} />}
      {asked?.kind === "link" && <AddLink people={data.people} onClose={close} />}
      {asked && "name" in asked && <Sure {...asked} onClose={close} />}
    </>
  );
}

const ROLES: readonly Role[] = ["viewer", "operator", "admin"];

function personColumns(ask: (asked: Asked) => void, reload: () => void, admins: number): Column<Person>[] {
  const isLast = (row: Person): boolean => row.role === "admin" && admins === 1;
  return [
    { name: "name", sort: (row) => row.name, cell: (row) => <strong class="cell-name">{row.name}{row.name === me.value?.name && <Badge>you</Badge>}</strong> },
    {
      name: "role",
      sort: (row) => ROLES.indexOf(row.role),
      cell: (row) => (
        <select class="select small-select" aria-label={`Role of ${row.name}`} value={row.role} disabled={isLast(row)}
          title={isLast(row) ? "The only admin stays one." : undefined}
          onChange={async (event) => {
            const role = event.currentTarget.value;
            await attempt(() => change({ do: "role", name: row.name, role }), `${row.name} is ${role} now.`);
            reload();
          }}>
          {ROLES.map((role) => <option key={role}>{role}</option>)}
        </select>
      ),
    },
    { name: "since", wideOnly: true, sort: (row) => row.made_ns, cell: (row) => <span class="nowrap" title={exact(row.made_ns)}>{ago(row.made_ns)}</span> },
    { name: "password", wideOnly: true, sort: (row) => row.changed_ns, cell: (row) => <span class="nowrap" title={exact(row.changed_ns)}>{ago(row.changed_ns)}</span> },
    {
      name: "",
      isNumber: true,
      cell: (row) => (
        <Button look="quiet" icon="close" aria-label={`Remove ${row.name}`} disabled={isLast(row)} title={isLast(row) ? "The only admin stays." : "Remove"}
          onClick={() => ask({ kind: "remove", name: row.name, said: `${row.name} can't log in any more; sessions and tokens end now.` })} />
      ),
    },
  ];
}

function sessionColumns(ask: (asked: Asked) => void): Column<Session>[] {
  return [
    {
      name: "who",
      sort: (row) => row.name,
      cell: (row) => <strong class="cell-name">{row.name}{row.kind === "kiosk" && <Badge mood="info">wall screen</Badge>}{row.mine && <Badge>this one</Badge>}</strong>,
    },
    { name: "last used", sort: (row) => row.seen_ns, cell: (row) => <span class="nowrap" title={exact(row.seen_ns)}>{ago(row.seen_ns)}</span> },
    { name: "from", wideOnly: true, sort: (row) => row.address, cell: (row) => <code>{row.address}</code> },
    { name: "browser", wideOnly: true, cell: (row) => <span class="cut" title={row.agent}>{browser(row.agent)}</span> },
    { name: "ends", wideOnly: true, sort: (row) => row.until_ns, cell: (row) => <span class="nowrap" title={exact(row.until_ns)}>{ago(row.until_ns)}</span> },
    {
      name: "",
      isNumber: true,
      cell: (row) => (
        <Button look="quiet" icon="close" aria-label={`Log ${row.name} out`} title="Log out"
          onClick={() => ask({ kind: "end", name: row.id, said: `${row.name} is logged out at ${row.address} and can log in again.` })} />
      ),
    },
  ];
}

function linkColumns(ask: (asked: Asked) => void): Column<LinkRow>[] {
  return [
    { name: "name", sort: (row) => row.name, cell: (row) => <strong class="cell-name">{row.name}</strong> },
    { name: "for", sort: (row) => row.kind, cell: (row) => (row.kind === "kiosk" ? <Badge mood="info">wall screen</Badge> : <Badge>{`scripts of ${row.owner}`}</Badge>) },
    { name: "ends", sort: (row) => row.until_ns || Infinity, cell: (row) => (row.until_ns ? <span class="nowrap" title={exact(row.until_ns)}>{ago(row.until_ns)}</span> : "when revoked") },
    {
      name: "",
      isNumber: true,
      cell: (row) => (
        <Button look="quiet" icon="close" aria-label={`Revoke ${row.name}`} title="Revoke"
          onClick={() => ask({ kind: "revoke", name: row.name, said: `What uses ${row.name} is out at once.` })} />
      ),
    },
  ];
}

/** What a browser calls itself, in the words people know. */
export function browser(agent: string): string {
  const name = [["Edg/", "Edge"], ["Firefox/", "Firefox"], ["Chrome/", "Chrome"], ["Safari/", "Safari"]].find(([mark]) => agent.includes(mark as string))?.[1];
  const system = ["Windows", "Android", "iPhone", "iPad", "Mac OS", "Linux"].find((one) => agent.includes(one));
  return name ? [name, system].filter(Boolean).join(", ") : agent;
}
