// The state of the site at a glance.
import { useState } from "preact/hooks";
import { bytes, short } from "~/lib/format";
import { useWatch } from "~/lib/live";
import { useLoad } from "~/lib/load";
import { lasting } from "~/lib/time";
import type { Status } from "~/lib/types";
import { ErrorNote, Loading, Meter, Page, Stat } from "~/parts/basic";

export default function Overview() {
  const [live, setLive] = useState<Status | null>(null);
  useWatch<Status>("status", {}, setLive);
  const asked = useLoad<Status>("status", {}, 5000);
  const status = live ?? asked.data;
  if (!status) return asked.error ? <ErrorNote error={asked.error} /> : <Loading />;
  const { journal, link } = status;
  return (
    <Page title={status.node} about={`Holdfast ${status.version}, up ${lasting(status.uptime_s)}`}>
      <div class="grid">
        <Stat title="Readings" value={short(status.counters["readings_accepted"] ?? 0)} note={`${short(status.series)} series`} />
        {link && (
          <Stat title="Link" value={link.state} note={link.detail || link.url} mood={link.state === "up" ? "" : "bad"} />
        )}
        {link && <Stat title="Backlog" value={short(status.backlog.reduce((sum, n) => sum + n, 0))} unit="rows" />}
        <Stat title="Journal" value={bytes(journal.used_bytes)} note={`of ${bytes(journal.quota_bytes)}, level ${journal.level}`}>
          <Meter part={journal.used_bytes / journal.quota_bytes} label="Journal's quota in use" />
        </Stat>
      </div>
    </Page>
  );
}
