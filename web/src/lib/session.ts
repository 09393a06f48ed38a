// Who is looking, and what they may do.
import { signal } from "@preact/signals";
import { ApiError, get, onLoginNeeded, siteOf } from "~/lib/api";

export type Role = "viewer" | "operator" | "admin";

/** login: this node asks people who they are; kiosk: a screen that only shows. */
export interface Me {
  name: string;
  role: Role;
  login: boolean;
  kiosk: boolean;
}

const RANK: Record<Role, number> = { viewer: 0, operator: 1, admin: 2 };

/** null until the node has said so. */
export const me = signal<Me | null>(null);
export const loginNeeded = signal(false);

onLoginNeeded(() => {
  loginNeeded.value = true;
});

/** Ask the node who this is. */
export async function whoAmI(): Promise<void> {
  try {
    me.value = await get<Me>("me", {}, undefined, true);
    loginNeeded.value = false;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) me.value = { name: "", role: "admin", login: false, kiosk: false };
    else if (!(error instanceof ApiError) || error.status !== 401) throw error;
  }
}

/** May this viewer do what needs the role? Through a hub a site is only looked at. */
export const may = (role: Role): boolean =>
  me.value !== null && RANK[me.value.role] >= RANK[role] && (role === "viewer" || siteOf() === null);
