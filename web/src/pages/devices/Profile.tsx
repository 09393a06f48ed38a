// Where a device's messages come from, and what the node makes of them.
import { figure, whole } from "~/lib/format";
import { ago, lasting } from "~/lib/time";
import { unit } from "~/lib/units";
import type { Detail, Profile, ProfileField, Source } from "~/pages/devices/model";
import { Badge, Card, Empty, Facts } from "~/parts/basic";

/** isOwn: of this node; a device below has its sources and profile at its own. */
export function Sources({ detail, isOwn }: { detail: Detail; isOwn: boolean }) {
  if (!isOwn) return null;
  return (
    <Card title="Where it comes from" note={detail.sources.length > 1 ? `${detail.sources.length} ways` : undefined} flush>
      {detail.sources.length ? (
        <ul class="lines">
          {detail.sources.map((one) => <Way key={`${one.source}\n${one.topic}`} one={one} />)}
        </ul>
      ) : (
        <Empty title="Nothing of it came since this node started.">Its adapter, topic and profile are shown with its next message.</Empty>
      )}
    </Card>
  );
}

/** What the node makes of its messages. */
export function Profiles({ detail, isOwn }: { detail: Detail; isOwn: boolean }) {
  if (!isOwn) return null;
  return <>{detail.profiles.map((one) => <Contract key={one.name} one={one} series={detail.series} />)}</>;
}

function Way({ one }: { one: Source }) {
  return (
    <li>
      <span class="row apart">
        <strong class="mono wrap">{one.topic}</strong>
        <span class="soft small nowrap">{ago(one.heard_ns)}</span>
      </span>
      <span class="soft small wrap">
        {one.where === "this machine" ? "read from this machine" : `${spokenAdapter(one.adapter)}${one.where ? ` at ${one.where}` : ""}, from ${one.source}`}
      </span>
      {!one.profile && <Badge mood="warn">no profile reads this topic</Badge>}
    </li>
  );
}

function spokenAdapter(name: string): string {
  if (name.startsWith("broker:")) return `broker ${name.slice(7)}`;
  return name === "mqtt" ? "this node's MQTT server" : name;
}

function Contract({ one, series }: { one: Profile; series: readonly string[] }) {
  const metrics = new Set(series.map((name) => name.split("/").slice(2).join("/")));
  return (
    <Card title={`Profile ${one.name}`} note={`version ${one.version}`}>
      <div class="stack">
        <Facts
          rows={[
            ["Topics", <span class="mono">{one.topic}</span>],
            ["Format", one.format],
            ["Time", one.time ? `the device's own: ${one.time}` : "when the message came"],
            ["Repeats", one.id ? `told by ${one.id}` : "can't be told: its messages have no id"],
            ["Too old", one.stale_s === null ? "no message is" : `refused after ${lasting(one.stale_s)}`],
            ["Ahead", `uncertain if its clock is over ${lasting(one.ahead_s)} ahead`],
            one.unknown !== "" && ["Other values", OTHERS[one.unknown] ?? one.unknown],
          ]}
        />
        {one.fields.length > 0 && <Fields fields={one.fields} metrics={metrics} />}
        {one.total > one.fields.length && <p class="soft small">{`${whole(one.total - one.fields.length)} more are in the profile's file.`}</p>}
      </div>
    </Card>
  );
}

const OTHERS: Record<string, string> = { name: "are stored under their own names", ignore: "are ignored", reject: "refuse the message" };

function Fields({ fields, metrics }: { fields: readonly ProfileField[]; metrics: ReadonlySet<string> }) {
  return (
    <div class="table" role="region" aria-label="Fields" tabIndex={0}>
      <table class="profile-fields">
        <thead>
          <tr>
            <th scope="col">In the payload</th>
            <th scope="col">Stored as</th>
            <th scope="col">Quality</th>
          </tr>
        </thead>
        <tbody>
          {fields.map((one) => (
            <tr key={`${one.path}\n${one.metric}`}>
              <td class="mono">
                {one.path}
                {one.optional && <small class="soft"> optional</small>}
              </td>
              <td>
                <span class={metrics.has(one.metric) ? "seen" : ""}>{one.metric}</span>
                <small class="soft">{stored(one)}</small>
              </td>
              <td class="small">{quality(one)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function stored(one: ProfileField): string {
  const kind = one.kind === "float" ? "" : KINDS[one.kind] ?? one.kind;
  const sum = [one.scale === 1 ? "" : `× ${figure(one.scale)}`, one.offset === 0 ? "" : `${one.offset < 0 ? "−" : "+"} ${figure(Math.abs(one.offset))}`].filter(Boolean).join(" ");
  const places = one.decimals === null ? "" : one.decimals === 1 ? "1 decimal" : `${one.decimals} decimals`;
  // in the unit as it's stored, not as this viewer prefers: these are the profile's own numbers
  return [unit(one.unit, true), kind, sum, places].filter(Boolean).join(", ");
}

const KINDS: Record<string, string> = { bool: "on or off", int: "whole numbers", text: "text", auto: "as the device sends it" };

function quality(one: ProfileField): string {
  const sign = unit(one.unit, true), of = (n: number): string => `${figure(n)}${sign ? ` ${sign}` : ""}`;
  const limits = one.low !== null && one.high !== null ? `bad outside ${figure(one.low)} to ${of(one.high)}`
    : one.low !== null ? `bad below ${of(one.low)}` : one.high !== null ? `bad above ${of(one.high)}` : "";
  const stuck = one.stuck_s ? `uncertain if unchanged for ${lasting(one.stuck_s)}` : "";
  const missing = one.missing.length ? `${one.missing.join(", ")} ${one.missing.length === 1 ? "means" : "mean"} no value` : "";
  return [limits, stuck, missing].filter(Boolean).join("; ") || "no limits";
}
