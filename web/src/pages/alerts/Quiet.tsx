// What nobody is told of: silences that people made, and works that are planned.
import { useState } from "preact/hooks";
import { send, siteOf } from "~/lib/api";
import { useLoad } from "~/lib/load";
import { ago, exact, moment, wallTime, zoneName } from "~/lib/time";
import { Badge, Button, Card, Empty, ErrorNote, Field, Loading, Page, Segment } from "~/parts/basic";
import { attempt } from "~/parts/Toasts";
import { Asking, nameBefore, SENT, sendFar, SPANS } from "~/pages/alerts/acts";
import { hoursOf, meant, type Hours, type Match, type Silence, type Works } from "~/pages/alerts/data";

export function Quiet() {
  const silences = useLoad<Silence[]>("silences", {}, 10_000);
  const works = useLoad<Works[]>("maintenance", {}, 10_000);
  const [isMaking, setMaking] = useState<"silence" | "works" | null>(null);
  return (
    <Page title="Silences & maintenance" about="Alerts are decided and recorded as ever. Nobody is told; what still lasts at the end is told then.">
      <Card title="Maintenance" note={works.data?.length || undefined} flush actions={<Button icon="plus" needs="operator" onClick={() => setMaking("works")}>Plan works</Button>}>
        {works.error && <ErrorNote error={works.error} />}
        {!works.data && !works.error && <Loading />}
        {works.data?.length === 0 && <Empty title="No works are planned.">Plan them beforehand, once or every week; those that belong to the plant stand in node.yaml.</Empty>}
        <ul class="quiet-list">
          {works.data?.map((one) => <WorksRow key={one.id} one={one} onDone={works.reload} />)}
        </ul>
      </Card>
      <Card title="Silences" note={silences.data?.length || undefined} flush actions={<Button icon="plus" needs="operator" far onClick={() => setMaking("silence")}>Silence</Button>}>
        {silences.error && <ErrorNote error={silences.error} />}
        {!silences.data && !silences.error && <Loading />}
        {silences.data?.length === 0 && <Empty title="Nothing is silenced.">Silence what you know of and can't mend yet: its alerts are kept, and nobody is told of them.</Empty>}
        <ul class="quiet-list">
          {silences.data?.map((one) => (
            <li key={one.id}>
              <Badge mood="info">silent</Badge>
              <div class="what">
                <strong>{meant(one.match)}</strong>
                <span class="soft small">{`${one.why} · ${one.by}`}</span>
              </div>
              <span class="soft nowrap" title={exact(one.until_ns)}>{`ends ${ago(one.until_ns)}`}</span>
              <Button needs="operator" far onClick={() => void endSilence(one).then(silences.reload)}>
                End
              </Button>
            </li>
          ))}
        </ul>
      </Card>
      {isMaking && <Making what={isMaking} onDone={isMaking === "works" ? works.reload : silences.reload} onClose={() => setMaking(null)} />}
    </Page>
  );
}

function endSilence(one: Silence): Promise<boolean> {
  const site = siteOf();
  if (site === null) return attempt(() => send("DELETE", `silences/${one.id}`), "The silence is over; what it held is told now.");
  return attempt(() => sendFar(site, { do: "unsilence", silence: one.id, by: nameBefore() || "somebody" }), SENT);
}

function WorksRow({ one, onDone }: { one: Works; onDone: () => void }) {
  const isNow = one.state === "now";
  const when = one.hours ? hoursOf(one.hours) : `${moment(one.from_ns)} to ${moment(one.to_ns)}`;
  return (
    <li>
      <Badge mood={isNow ? "warn" : ""}>{isNow ? "now" : "planned"}</Badge>
      <div class="what">
        <strong>{meant(one.match)}</strong>
        <span class="soft small">{`${when} · ${one.why} · ${one.name ? `${one.name} in node.yaml` : one.by}`}</span>
      </div>
      <span class="soft nowrap" title={exact(isNow ? one.next_to_ns : one.next_from_ns)}>
        {isNow ? `ends ${ago(one.next_to_ns)}` : `begins ${ago(one.next_from_ns)}`}
      </span>
      {one.name ? (
        <Button disabled title="It stands in node.yaml: take it out there.">End</Button>
      ) : (
        <Button needs="operator" onClick={() => void attempt(() => send("DELETE", `maintenance/${one.id}`), "The works are over; what they held is told now.").then(onDone)}>
          {isNow ? "End" : "Cancel"}
        </Button>
      )}
    </li>
  );
}

const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;
const names = (text: string): string[] => text.split(",").map((one) => one.trim()).filter(Boolean);

function Making({ what, onDone, onClose }: { what: "silence" | "works"; onDone: () => void; onClose: () => void }) {
  const [devices, setDevices] = useState(""), [rules, setRules] = useState(""), [labels, setLabels] = useState("");
  const [isAll, setAll] = useState(false), [kind, setKind] = useState<"once" | "weekly">("once");
  const [until, setUntil] = useState("+4h"), [from, setFrom] = useState(""), [to, setTo] = useState("");
  const [days, setDays] = useState<ReadonlySet<string>>(new Set()), [begin, setBegin] = useState("22:00"), [end, setEnd] = useState("06:00");
  const zone = zoneName();
  const match: Match = { devices: names(devices), rules: names(rules), labels: names(labels) };
  const isMeant = isAll || Object.values(match).some((one: string[]) => one.length > 0);
  const isTimed = what === "silence" || (kind === "once" ? to !== "" : begin !== end);
  const wanted = isAll ? {} : match;
  const work = (by: string, why: string): Promise<boolean> => {
    const site = siteOf();
    if (what === "silence" && site !== null) return attempt(() => sendFar(site, { do: "silence", by, text: why, match: wanted, until }), SENT);
    if (what === "silence") return attempt(() => send("POST", "silences", { match: wanted, until, by, why }), "Silenced.");
    const hours: Hours = { days: DAYS.filter((day) => days.has(day)), from: begin, to: end, zone };
    const times = kind === "once" ? { from: from && wallTime(from), to: wallTime(to) } : { hours };
    return attempt(() => send("POST", "maintenance", { match: wanted, by, why, ...times }), "The works are planned.");
  };
  return (
    <Asking
      title={what === "silence" ? "Silence alerts" : "Plan works"} button={what === "silence" ? "Silence" : "Plan"} words="Why" mustSay
      ready={isMeant && isTimed} work={work} onDone={onDone} onClose={onClose}
    >
      {what === "silence" ? (
        <Field label="For">
          <select class="select" value={until} onChange={(event) => setUntil(event.currentTarget.value)}>
            {SPANS.map(([value, text]) => <option key={value} value={value}>{text}</option>)}
          </select>
        </Field>
      ) : (
        <>
          <Segment label="How often" value={kind} choices={[["once", "Once"], ["weekly", "Every week"]]} onChange={setKind} />
          {kind === "once" ? (
            <div class="pair">
              <Field label="From" hint="Empty: now.">
                <input class="input" type="datetime-local" value={from} onInput={(event) => setFrom(event.currentTarget.value)} />
              </Field>
              <Field label="To" hint={`In ${zone}.`}>
                <input class="input" type="datetime-local" value={to} required onInput={(event) => setTo(event.currentTarget.value)} />
              </Field>
            </div>
          ) : (
            <>
              <fieldset class="days">
                <legend class="soft small">On which days it begins (none: every day)</legend>
                {DAYS.map((day) => (
                  <label key={day}>
                    <input
                      type="checkbox" checked={days.has(day)}
                      onChange={(event) => {
                        const next = new Set(days);
                        if (event.currentTarget.checked) next.add(day);
                        else next.delete(day);
                        setDays(next);
                      }}
                    />
                    {day}
                  </label>
                ))}
              </fieldset>
              <div class="pair">
                <Field label="From" hint={zone}>
                  <input class="input" type="time" value={begin} onInput={(event) => setBegin(event.currentTarget.value)} />
                </Field>
                <Field label="To" hint={end < begin ? "of the next day" : " "}>
                  <input class="input" type="time" value={end} onInput={(event) => setEnd(event.currentTarget.value)} />
                </Field>
              </div>
            </>
          )}
        </>
      )}
      <label class="check">
        <input type="checkbox" checked={isAll} onChange={(event) => setAll(event.currentTarget.checked)} /> Every alert
      </label>
      {!isAll && (
        <>
          <Field label="Devices" hint="Names with commas between; * is any text.">
            <input class="input" value={devices} placeholder="press-*" onInput={(event) => setDevices(event.currentTarget.value)} />
          </Field>
          <div class="pair">
            <Field label="Rules">
              <input class="input" value={rules} onInput={(event) => setRules(event.currentTarget.value)} />
            </Field>
            <Field label="Devices' labels">
              <input class="input" value={labels} onInput={(event) => setLabels(event.currentTarget.value)} />
            </Field>
          </div>
        </>
      )}
    </Asking>
  );
}
