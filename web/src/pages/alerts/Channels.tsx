// The ways to people: how each is, what waits for it, what went wrong last; and a test.
import { useState } from "preact/hooks";
import { send } from "~/lib/api";
import { short } from "~/lib/format";
import { useLoad } from "~/lib/load";
import { ago, exact } from "~/lib/time";
import { Badge, Button, Card, Empty, ErrorNote, Facts, Loading, Page, type Mood } from "~/parts/basic";
import { attempt, say } from "~/parts/Toasts";
import type { Channel } from "~/pages/alerts/data";

interface TestReply {
  told: boolean;
  detail: string;
  hint: string;
  took_s: number;
}

const MOODS: Record<string, Mood> = { up: "good", down: "bad" };

export function Channels() {
  const { data, error, reload } = useLoad<Channel[]>("channels", {}, 5_000);
  const down = data?.filter((one) => one.state === "down").length ?? 0;
  return (
    <Page title="Channels" about={data?.length ? (down ? `${down} of ${data.length} can't tell anybody now; what they have to tell waits` : "How people are told of alerts.") : undefined}>
      {error && <ErrorNote error={error} />}
      {!data && !error && <Loading />}
      {data?.length === 0 && (
        <Card>
          <Empty title="Nobody is told of alerts yet.">
            Name channels in node.yaml under <code>channels</code>: webhook, e-mail, ntfy, Slack or Teams.
          </Empty>
        </Card>
      )}
      <div class="grid wide">{data?.map((one) => <ChannelCard key={one.name} one={one} onDone={reload} />)}</div>
    </Page>
  );
}

function ChannelCard({ one, onDone }: { one: Channel; onDone: () => void }) {
  const [isTrying, setTrying] = useState(false);
  const test = async (): Promise<void> => {
    setTrying(true);
    await attempt(async () => {
      const reply = await send<TestReply>("POST", `channels/${encodeURIComponent(one.name)}/test`);
      if (reply.told) say(`Told through ${one.name} in ${reply.took_s} s${reply.detail ? `, but ${reply.detail}` : ""}.`);
      else say([`Nobody was told through ${one.name}: ${reply.detail}`, reply.hint].filter(Boolean).join(" — "), true);
    }, "");
    setTrying(false);
    onDone();
  };
  return (
    <Card
      title={one.name} note={one.kind}
      actions={
        <>
          {one.rests_until_ns ? <Badge title={exact(one.rests_until_ns)}>outside its hours</Badge> : null}
          <Badge mood={MOODS[one.state] ?? ""}>{one.state === "unknown" ? "not used yet" : one.state}</Badge>
        </>
      }
    >
      <div class="channel">
        <Facts
          rows={[
            ["Tells", <span key="w" class="wrap">{one.where || "—"}</span>],
            ["Waiting", <span key="n" class={one.waiting ? "strong" : ""}>{short(one.waiting)}{one.oldest_ns ? `, the oldest ${ago(one.oldest_ns)}` : ""}</span>],
            one.held > 0 && ["Held back", `${short(one.held)}, by silences or maintenance`],
            ["Told", `${short(one.told)}${one.last_told_ns ? `, last ${ago(one.last_told_ns)}` : ""}`],
            one.given_up + one.dropped > 0 && ["Given up", short(one.given_up + one.dropped)],
            !!one.rests_until_ns && ["Hours", `begin ${ago(one.rests_until_ns)}; ${one.instead ? `${one.instead} tells until then` : "until then it waits"}`],
            ["Last error", one.detail ? <span key="e" class="wrong wrap">{one.detail}</span> : "none"],
          ]}
        />
        <Button needs="operator" disabled={isTrying} onClick={() => void test()}>
          {isTrying ? "Trying…" : "Send a test"}
        </Button>
      </div>
    </Card>
  );
}
