// Units are SenML's (RFC 8428); shown as people write them, and as this viewer prefers.
import { prefs } from "~/lib/prefs";

const SHOWN: Record<string, string> = { Cel: "°C", "%RH": "% RH", "/": "", degF: "°F", "m/s2": "m/s²", m3: "m³", m2: "m²" };
const IMPERIAL: Record<string, [string, (v: number) => number]> = {
  Cel: ["°F", (v) => v * 1.8 + 32],
  K: ["°F", (v) => (v - 273.15) * 1.8 + 32],
  m: ["ft", (v) => v / 0.3048],
  "m/s": ["ft/s", (v) => v / 0.3048],
  kg: ["lb", (v) => v / 0.45359237],
  Pa: ["psi", (v) => v / 6894.757293168],
  hPa: ["inHg", (v) => v / 33.86389],
  bar: ["psi", (v) => v * 14.503773773],
  l: ["gal", (v) => v / 3.785411784],
};

/** The unit as it's shown. isStored: as it's stored, whatever the viewer prefers. */
export const unit = (name: string, isStored = false): string => (prefs.value.imperial && !isStored ? IMPERIAL[name]?.[0] : undefined) ?? SHOWN[name] ?? name;

/** How to turn a stored value into a shown one. */
export const converter = (name: string): ((value: number) => number) =>
  (prefs.value.imperial ? IMPERIAL[name]?.[1] : undefined) ?? ((value) => value);
