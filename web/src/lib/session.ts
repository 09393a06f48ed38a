// Who is looking, and what they may do. Of the node that serves the page, whatever site is in view.
import { signal } from "@preact/signals";
import { get, onLoginNeeded, send, siteOf } from "~/lib/api";

export type Role = "viewer" | "operator" | "admin";

/** role: "" = nobody is logged in; login: this node asks people who they are; kiosk: a screen that only shows. */
export interface Me {
  name: string;
  role: Role | "";
  login: boolean;
  kiosk: boolean;
  /** Nobody can log in yet. */
  empty: boolean;
}

const RANK: Record<Role | "", number> = { "": -1, viewer: 0, operator: 1, admin: 2 };

/** null until the node has said so. */
export const me = signal<Me | null>(null);
/** The node was asked and wasn't reached. */
export const unreached = signal(false);

/** Ask the node who this is; true when it said so. */
export async function whoAmI(): Promise<boolean> {
  try {
    me.value = await get<Me>("me", {}, undefined, true);
    unreached.value = false;
  } catch {
    unreached.value = true;
  }
  return !unreached.value;
}

// A session may end while a page is open: by its age, by an admin, by logging out elsewhere.
onLoginNeeded(() => void whoAmI());

/** Does the site in view take what people do here about its alerts? */
export const takesActs = signal(false);

/** May this viewer do what needs the role? Through a hub a site is only looked at; `far`: but for what it takes from there. */
export const may = (role: Role, far = false): boolean =>
  me.value !== null && RANK[me.value.role] >= RANK[role] && (role === "viewer" || siteOf() === null || (far && takesActs.value));

/** Why this viewer may not; empty = they may. */
export const whyNot = (role: Role, far = false): string => {
  if (may(role, far)) return "";
  if (siteOf() !== null && far && !takesActs.value) return "This site’s version can’t take it from here, or `alerts.from_parent` is off there.";
  if (siteOf() !== null && !far) return "Changes are made at the site itself.";
  if (me.value?.kiosk) return "A wall screen only shows.";
  if (me.value && !me.value.login) return "This is only taken from the node's own machine: there is no login.";
  return `This needs the role ${role}${me.value?.role ? `; yours is ${me.value.role}` : ""}.`;
};

/** Log in; throws what the node has against it. */
export async function login(name: string, password: string): Promise<void> {
  me.value = await send<Me>("POST", "login", { name, password }, true);
}

/** Turn a wall screen's link into a session. */
export async function enterKiosk(token: string): Promise<void> {
  me.value = await send<Me>("POST", "kiosk", { token }, true);
}

/** Log out, and forget what this page had in memory. */
export async function logout(): Promise<void> {
  await send("POST", "logout", {}, true);
  location.assign("/login");
}
