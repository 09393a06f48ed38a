// The way of rows as a picture: devices or children, this node with what waits in it, the link, the parent.
import { bytes, rate, short } from "~/lib/format";
import { lasting } from "~/lib/time";
import type { Status } from "~/lib/types";
import { type Flow, laneName } from "./lanes";

/** sent: bytes a second now. */
export function Way({ status, flow, sent }: { status: Status; flow: Flow; sent: number }) {
  const { link } = status;
  const waiting = flow.lanes.filter((lane) => lane.waits > 0);
  const most = Math.max(1, ...waiting.map((lane) => lane.waits));
  const came = status.counters["messages_received"] ?? 0, taken = flow.children.reduce((sum, child) => sum + child.rows, 0);
  const heard = flow.children.filter((child) => child.heard_ns).length;
  return (
    <div class="way">
      <div class="stop">
        <h3>{status.children.length ? "Children and devices" : "Devices"}</h3>
        <strong>{came > 0 || !status.children.length ? `${short(came)} messages` : `${short(taken)} rows`}</strong>
        <p>{status.children.length ? `${heard} of ${status.children.length} children heard since the start` : `${short(status.series)} series`}</p>
      </div>
      <Pipe mood="up" flows />
      <div class="stop here">
        <h3>This node</h3>
        <strong>{status.node}</strong>
        {!waiting.length && <p>{link ? "nothing waits" : `${short(status.counters["readings_accepted"] ?? 0)} readings kept`}</p>}
        {waiting.length > 0 && (
          <div class="heap">
            {waiting.map((lane) => [
              <span key={`${lane.lane}n`}>{laneName(lane.lane)}</span>,
              <i key={`${lane.lane}b`} aria-hidden="true">
                <b class={`lane-${lane.lane}`} style={{ width: `${Math.max(3, (100 * lane.waits) / most)}%` }} />
              </i>,
              <span key={`${lane.lane}w`} class="num">
                {short(lane.waits)}
              </span>,
            ])}
          </div>
        )}
      </div>
      {link && (
        <>
          <Pipe
            mood={link.state === "up" ? "up" : "down"}
            flows={link.state === "up" && sent > 0}
            above={link.state === "up" ? (sent > 0 ? `${bytes(sent)}/s, ${link.pace}` : "up, nothing to send") : `down for ${lasting(flow.down_s)}`}
            below={link.rtt_s === null || link.state !== "up" ? "" : `${lasting(link.rtt_s)} there and back`}
          />
          <div class={`stop ${link.state === "up" ? "" : "lost"}`}>
            <h3>Parent</h3>
            <strong>{host(link.url)}</strong>
            <p>{link.state === "up" ? `${short(flow.rows_sent)} rows taken since the start` : `${rate(flow.failures)} calls failed`}</p>
          </div>
        </>
      )}
    </div>
  );
}

function Pipe({ mood, flows, above = "", below = "" }: { mood: string; flows?: boolean; above?: string; below?: string }) {
  return (
    <div class={`pipe ${mood} ${flows ? "flows" : ""}`}>
      <svg aria-hidden="true" preserveAspectRatio="none">
        <line class="wide" x1="0" y1="50%" x2="100%" y2="50%" />
        <line class="tall" x1="50%" y1="0" x2="50%" y2="100%" />
      </svg>
      {above && <span>{above}</span>}
      {below && <span>{below}</span>}
    </div>
  );
}

const host = (url: string): string => url.replace(/^https?:\/\//, "").replace(/\/$/, "");
