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
  kPa: ["psi", (v) => v / 6.894757293168],
  bar: ["psi", (v) => v * 14.503773773],
  l: ["gal", (v) => v / 3.785411784],
};

const PASCALS: Record<string, number> = { Pa: 1, hPa: 100, kPa: 1000, bar: 100_000 };
const PRESSURES: Record<string, number> = { bar: 100_000, kPa: 1000, psi: 6894.757293168 };

/** What this viewer wants instead of a stored unit; undefined = as it is. */
function preferred(name: string): [string, (v: number) => number] | undefined {
  const { imperial, pressure } = prefs.value, pascals = PASCALS[name], each = PRESSURES[pressure];
  if (pascals !== undefined && each !== undefined) return [pressure, (v) => (v * pascals) / each];
  return imperial ? IMPERIAL[name] : undefined;
}

/** The unit as it's shown. isStored: as it's stored, whatever the viewer prefers. */
export const unit = (name: string, isStored = false): string => (isStored ? undefined : preferred(name)?.[0]) ?? SHOWN[name] ?? name;

/** How to turn a shown value into a stored one; all of them are lines. */
export function backwards(name: string): (value: number) => number {
  const forward = converter(name), zero = forward(0), one = forward(1) - zero;
  return (value) => (value - zero) / one;
}

/** How to turn a stored value into a shown one. */
export const converter = (name: string): ((value: number) => number) => preferred(name)?.[1] ?? ((value) => value);
