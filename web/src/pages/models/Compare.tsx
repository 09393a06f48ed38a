// A version beside the one that acts: the verdict, and what it rests on.
import { Link } from "wouter-preact";
import { figure, percent, short, whole } from "~/lib/format";
import { Badge, Card } from "~/parts/basic";
import type { Comparison } from "./types";
import { begun, millis, share, VERDICTS } from "./words";

const short_ = (ref: string, other: string): string => (ref.split("@")[0] === other.split("@")[0] ? (ref.split("@")[1] ?? ref) : ref);

export function Compare({ comparison: one }: { comparison: Comparison }) {
  const mine = short_(one.version, one.against), acting = short_(one.against, one.version);
  const [p50, p99, oldP50, oldP99] = one.latency_ms;
  return (
    <Card
      title={<span class="row">{`${mine} beside ${acting}`}<Badge mood={VERDICTS[one.verdict]}>{one.verdict}</Badge></span>}
    >
      <div class="stack">
        <p class="compare-words">{`${begun(one.words)}.`}</p>
        <dl class="compare-figures">
          <Pair name="Rows compared" value={short(one.rows)} note={one.lost ? `${short(one.lost)} left out by one of them` : "none left out"} />
          {one.agreement !== null && <Pair name="Same answer" value={share(one.agreement)} note={`${short(Math.round(one.rows * (1 - one.agreement)))} rows differ`} />}
          <Pair name="Wrong, of labelled rows" value={one.error_new === null ? "—" : percent(one.error_new)} note={one.error_old === null ? "no row is labelled yet" : `${acting}: ${percent(one.error_old)}, of ${short(one.labelled)} rows`} />
          <Pair name="99 of 100 within" value={millis(p99 ?? null)} note={oldP99 === undefined ? "" : `${acting}: ${millis(oldP99)}${oldP99 && p99 ? `, ${ratio(p99 / oldP99)}` : ""}`} />
          <Pair name="Half within" value={millis(p50 ?? null)} note={oldP50 === undefined ? "" : `${acting}: ${millis(oldP50)}`} />
        </dl>
        <div class="compare-parts">
          {one.agreement !== null && <Confusion one={one} mine={mine} acting={acting} />}
          {one.quantiles.length > 1 && <Spread quantiles={one.quantiles} mine={mine} acting={acting} />}
          {one.worst.length > 0 && (
            <section>
              <h3>Least alike on</h3>
              <ul class="worst">
                {one.worst.map((device) => (
                  <li key={`${device.node}/${device.device}`}>
                    <Link href={`/devices/${encodeURIComponent(device.device)}`}>{device.device}</Link>
                    <span>{share(device.agreement)}</span>
                    <span class="soft small">{`of ${short(device.rows)} rows`}</span>
                  </li>
                ))}
              </ul>
            </section>
          )}
        </div>
        {(
          <ul class="reasons-why small soft">
            {one.error && one.error.words !== one.words && <li>{`Errors: ${one.error.words}.`}</li>}
            {one.failures.words !== one.words && <li>{`Failures: ${one.failures.words}.`}</li>}
            <li>Verdicts hold however often you look: they rest on confidence sequences, not on one p-value.</li>
          </ul>
        )}
      </div>
    </Card>
  );
}

const ratio = (times: number): string => (times >= 1 ? `${times.toFixed(2)} times as long` : `${(1 / times).toFixed(2)} times as fast`);

function Pair({ name, value, note }: { name: string; value: string; note: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <strong>{value}</strong>
        {note && <small>{note}</small>}
      </dd>
    </div>
  );
}

/** Rows by what the acting one said and what this one said; the last class may be none. */
function Confusion({ one, mine, acting }: { one: Comparison; mine: string; acting: string }) {
  const used = one.labels.map((_, i) => i).filter((i) => i < one.labels.length - 1 || (one.confusion[i] ?? []).some(Boolean) || one.confusion.some((row) => row[i]));
  return (
    <section class="confusion">
      <h3>Who said what</h3>
      <div class="scroll" tabIndex={0} role="region" aria-label="Who said what, by class">
        <table>
          <thead>
            <tr>
              <td />
              <th colSpan={used.length} scope="colgroup">{`${mine} said`}</th>
            </tr>
            <tr>
              <th scope="col">{`${acting} said`}</th>
              {used.map((i) => <th key={i} scope="col">{one.labels[i]}</th>)}
            </tr>
          </thead>
          <tbody>
            {used.map((i) => {
              const row = one.confusion[i] ?? [], total = row.reduce((sum, n) => sum + n, 0);
              return (
                <tr key={i}>
                  <th scope="row">{one.labels[i]}</th>
                  {used.map((j) => {
                    const n = row[j] ?? 0, part = total ? n / total : 0;
                    return (
                      <td key={j} class={i === j ? "same" : n ? "other" : "zero"} style={{ "--share": `${Math.round((i === j ? part : Math.min(1, part * 3)) * 34)}%` }} title={`${whole(n)} rows`}>
                        {short(n)}
                        <small>{total ? percent(part) : ""}</small>
                      </td>
                    );
                  })}
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </section>
  );
}

/** The score's difference as a box: half of the rows in it, nearly all between the ends. */
function Spread({ quantiles, mine, acting }: { quantiles: readonly (readonly [number, number])[]; mine: string; acting: string }) {
  const at = (share: number): number => quantiles.find(([of]) => of === share)?.[1] ?? [...quantiles].sort((a, b) => Math.abs(a[0] - share) - Math.abs(b[0] - share))[0]?.[1] ?? 0;
  const low = quantiles[0]?.[1] ?? 0, high = quantiles.at(-1)?.[1] ?? 0;
  const left = Math.min(low, 0), right = Math.max(high, 0), span = right - left || 1;
  const x = (value: number): number => 2 + (96 * (value - left)) / span;
  const said = `Of ${mine}'s score less ${acting}'s: half of the rows between ${figure(at(0.25))} and ${figure(at(0.75))}, in the middle ${figure(at(0.5))}, 98 of 100 between ${figure(low)} and ${figure(high)}`;
  return (
    <section class="spread">
      <h3>How their scores differ</h3>
      <svg viewBox="0 0 100 14" preserveAspectRatio="none" role="img" aria-label={said}>
        <line class="zero" x1={x(0)} x2={x(0)} y1="0" y2="14" />
        <line class="whisker" x1={x(low)} x2={x(high)} y1="7" y2="7" />
        <rect x={x(at(0.25))} width={Math.max(0.6, x(at(0.75)) - x(at(0.25)))} y="2.5" height="9" />
        <line class="middle" x1={x(at(0.5))} x2={x(at(0.5))} y1="2.5" y2="11.5" />
      </svg>
      <div class="row apart small soft">
        <span>{figure(low)}</span>
        <span>{`half between ${figure(at(0.25))} and ${figure(at(0.75))}`}</span>
        <span>{figure(high)}</span>
      </div>
      <p class="small soft">{low < 0 && high > 0 ? "The dashed line is no difference." : ""}</p>
    </section>
  );
}
