// How a chart's values are scaled: by what is in sight, with zero, with thresholds, or from one figure to another.
import { useEffect, useState } from "preact/hooks";
import { backwards, converter, unit as spokenUnit } from "~/lib/units";
import type { Scale } from "./state";

const WAYS = [["auto", "Fit what's shown"], ["zero", "From zero"], ["levels", "With thresholds"], ["fixed", "From … to …"]] as const;
type Way = (typeof WAYS)[number][0];

interface Props {
  unit: string;
  scale: Scale | undefined;
  /** What is shown now, in the shown unit: where fixing it begins. */
  range: () => [number, number];
  onChange: (scale: Scale | null) => void;
}

export function ScaleOf({ unit, scale, range, onChange }: Props) {
  const way: Way = scale === undefined ? "auto" : typeof scale === "object" ? "fixed" : scale;
  const shown = converter(unit), stored = backwards(unit);
  const choose = (to: Way): void => {
    if (to === "fixed") {
      const [low, high] = range().map(tidy) as [number, number];
      onChange([stored(low), stored(high > low ? high : low + 1)]);
    } else onChange(to === "auto" ? null : to);
  };
  const name = spokenUnit(unit) || "values";
  return (
    <>
      {typeof scale === "object" && (
        <>
          <Bound label={`Lowest, ${name}`} value={shown(scale[0])} fits={(low) => stored(low) < scale[1]} onChange={(low) => onChange([stored(low), scale[1]])} />
          <Bound label={`Highest, ${name}`} value={shown(scale[1])} fits={(high) => stored(high) > scale[0]} onChange={(high) => onChange([scale[0], stored(high)])} />
        </>
      )}
      <select class="select ch-scale" aria-label={`Scale of ${name}`} value={way} onChange={(event) => choose(event.currentTarget.value as Way)}>
        {WAYS.map(([value, text]) => (
          <option key={value} value={value}>{text}</option>
        ))}
      </select>
    </>
  );
}

/** A figure that counts once it's whole and fits. */
function Bound({ label, value, fits, onChange }: { label: string; value: number; fits: (value: number) => boolean; onChange: (value: number) => void }) {
  const told = String(tidy(value));
  const [text, setText] = useState(told);
  useEffect(() => setText(told), [told]);
  const number = Number(text), isRight = text.trim() !== "" && Number.isFinite(number) && fits(number);
  return (
    <input class="input ch-bound" inputMode="decimal" aria-label={label} aria-invalid={!isRight} title={label} value={text}
      onInput={(event) => setText(event.currentTarget.value)}
      onChange={() => (isRight ? onChange(number) : setText(told))} />
  );
}

const tidy = (value: number): number => Number(value.toPrecision(4));
