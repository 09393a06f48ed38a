// The node's JSON API. Errors carry what the node says is wrong and what to do about it.
import { signal } from "@preact/signals";
import type { SiteRow } from "~/lib/sites";

/** What the node refused, or why it wasn't reached. status: 0 = not reached. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly hint: string = "",
  ) {
    super(message);
  }
}

const PATIENCE_MS = 35_000;

/** A site that can't be looked at now. held: what the hub itself answers; age_s: since it was heard, null = never. */
export interface Away {
  error: string;
  hint: string;
  site: SiteRow;
  age_s: number | null;
  held: unknown;
}

/** Of the site in view: null = its pages are live. */
export const away = signal<Away | null>(null);

/** Which site the pages are about: at a console `/sites/NAME/…` shows a site through the hub. */
export function siteOf(path: string = location.pathname): string | null {
  const found = /^\/sites\/([^/]+)(?:\/|$)/.exec(path);
  return found?.[1] === undefined ? null : decodeURIComponent(found[1]);
}

/** The address of an API path; of the site in view, unless `own`. */
export function url(path: string, params: Record<string, Param> = {}, own = false): string {
  const site = own ? null : siteOf();
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") query.append(key, String(one));
    }
  }
  const base = site === null ? "/api/v1" : `/api/v1/sites/${encodeURIComponent(site)}/api`;
  const text = query.toString();
  return `${base}/${path}${text ? `?${text}` : ""}`;
}

export type Param = string | number | boolean | null | undefined | readonly (string | number)[];

async function call<T>(address: string, init: RequestInit, heard?: (answer: Response) => void): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(address, { credentials: "same-origin", ...init });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "The node isn't reached.", "This page goes on trying.");
  }
  const text = await answer.text();
  let body: unknown = null;
  try {
    body = text ? JSON.parse(text) : null;
  } catch {
    body = { error: text.slice(0, 200) };
  }
  heard?.(answer);
  const from = answer.headers.get("holdfast-site");
  if (from === "live") away.value = null;
  if (answer.status === 503 && (from === "held" || from === "away")) {
    away.value = body as Away;
    if (away.value.held !== null) return away.value.held as T;
  }
  if (answer.status === 304) return null as T;
  if (!answer.ok) {
    const failure = (body ?? {}) as { error?: string; hint?: string };
    if (answer.status === 401) loginNeeded.forEach((tell) => tell());
    throw new ApiError(answer.status, failure.error ?? `HTTP ${answer.status}`, failure.hint ?? "");
  }
  return body as T;
}

const loginNeeded = new Set<() => void>();

/** Be told when the node wants a login. */
export function onLoginNeeded(tell: () => void): void {
  loginNeeded.add(tell);
}

/** Read. `signal` gives the question up; `own`: of this node, also where a site is in view. */
export function get<T>(path: string, params: Record<string, Param> = {}, signal?: AbortSignal, own = false): Promise<T> {
  const limit = AbortSignal.timeout(PATIENCE_MS);
  return call<T>(url(path, params, own), {
    headers: { accept: "application/json" },
    signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
  });
}

/** What a site says through its hub. data: null = what was seen is still so; isHeld: the site waits for it to change. */
export interface Followed<T> {
  data: T | null;
  seen: string;
  isHeld: boolean;
}

/** Read a page of the site in view, once it's another than `seen`; empty = at once. */
export async function follow<T>(path: string, params: Record<string, Param>, seen: string, signal: AbortSignal): Promise<Followed<T>> {
  let tag = "", isHeld = false;
  const headers: Record<string, string> = { accept: "application/json" };
  if (seen) headers["if-none-match"] = `"${seen}"`;
  const data = await call<T | null>(
    url(path, params), { headers, cache: "no-store", signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]) },
    (answer) => {
      tag = (answer.headers.get("etag") ?? "").replaceAll('"', "");
      isHeld = answer.headers.has("holdfast-held");
    },
  );
  return { data, seen: tag, isHeld };
}

/** Change. The node answers once it's on disk. */
export function send<T>(method: "POST" | "PUT" | "DELETE", path: string, body: unknown = {}, own = false): Promise<T> {
  return call<T>(url(path, {}, own), {
    method,
    headers: { accept: "application/json", "content-type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
}
