// What this viewer prefers; kept in this browser only.
import { effect, signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";

/** In which pressures are shown; empty = as stored, or psi where units are imperial. */
export type Pressure = "" | "bar" | "kPa" | "psi";

/** zone: IANA name, empty = the browser's own; imperial: °F, psi, ft instead of °C, Pa, m. */
export interface Prefs {
  theme: Theme;
  zone: string;
  imperial: boolean;
  pressure: Pressure;
}

const KEY = "holdfast.prefs";
const STANDARD: Prefs = { theme: "system", zone: "", imperial: false, pressure: "" };

function stored(): Prefs {
  try {
    return { ...STANDARD, ...(JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<Prefs>) };
  } catch {
    return STANDARD; // a browser that keeps nothing
  }
}

export const prefs = signal<Prefs>(stored());
const systemDark = matchMedia("(prefers-color-scheme: dark)");
/** The theme that is on. */
export const dark = signal(false);

function settle(): void {
  const { theme } = prefs.value;
  dark.value = theme === "dark" || (theme === "system" && systemDark.matches);
  document.documentElement.dataset.theme = dark.value ? "dark" : "light";
}

effect(() => {
  settle();
  try {
    localStorage.setItem(KEY, JSON.stringify(prefs.value));
  } catch {
    // private windows may refuse; the choice lasts as long as the page
  }
});
systemDark.addEventListener("change", settle);

/** Change some of them. */
export function prefer(changes: Partial<Prefs>): void {
  prefs.value = { ...prefs.value, ...changes };
}
