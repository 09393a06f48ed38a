// Questions that this browser remembers: a name and the address's query.
import { signal } from "@preact/signals";

export interface Saved {
  name: string;
  query: string;
}

const KEY = "holdfast.analytics", MOST = 50;

function read(): Saved[] {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    const isSaved = (one: unknown): one is Saved => typeof one === "object" && one !== null && "name" in one && "query" in one;
    return Array.isArray(found) ? found.filter(isSaved).slice(0, MOST) : [];
  } catch {
    return [];
  }
}

export const saved = signal<Saved[]>(read());

function keep(list: Saved[]): void {
  saved.value = list.slice(0, MOST);
  try {
    localStorage.setItem(KEY, JSON.stringify(saved.value));
  } catch {
    // A browser that keeps nothing still asks.
  }
}

export const remember = (name: string, query: string): void => keep([{ name, query }, ...saved.value.filter((one) => one.name !== name)]);
export const forget = (name: string): void => keep(saved.value.filter((one) => one.name !== name));
