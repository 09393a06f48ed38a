// The three places of a reading, and how it gets from one to the next.
import { bytes, short } from "~/lib/format";
import { ago, exact, lasting } from "~/lib/time";

/** GET /api/v1/storage */
export interface Room {
  used_bytes: number;
  quota_bytes: number;
  file_bytes: number;
  wal_bytes: number;
  level: string;
  levels: Record<string, number>;
  condition: string;
  disk_free_bytes: number;
  disk_bytes: number;
  lanes: { lane: number; rows: number; oldest_ns: number; max_age_s: number; when_full: string; dropped: number }[];
  has_history: boolean;
  backup: { newest_ns: number; every_s: number; files: number; bytes: number } | null;
}

/** GET /api/v1/history */
export interface Memory {
  pieces: number;
  readings: number;
  oldest_ns: number;
  newest_ns: number;
  bytes: number;
  cold_bytes: number;
  waiting_rows: number;
  sending: number;
  cold: string;
  encrypted: boolean;
  days: { day: string; step: number; files: number; rows: number; bytes: number; cold_bytes: number; error: number; damaged: number }[];
  went: { reason: string; step: number; rows: number }[];
}

const STEPS: Record<number, string> = { 60: "by the minute", 3600: "by the hour", 86400: "by the day" };

const steps = (memory: Memory): string => {
  const found = [...new Set(memory.days.map((day) => day.step))].sort((a, b) => a - b);
  return found.map((step) => (step === 0 ? "as they came" : step < 0 ? "around alerts" : STEPS[step] ?? `every ${lasting(step)}`)).join(", ");
};

export function Tiers({ room, memory }: { room: Room; memory: Memory | null }) {
  const rows = room.lanes.reduce((sum, lane) => sum + lane.rows, 0);
  const oldest = Math.min(...room.lanes.filter((lane) => lane.oldest_ns).map((lane) => lane.oldest_ns));
  return (
    <div class="tiers">
      <section class="tier hot">
        <h3>
          <i aria-hidden="true" />
          Hot: the journal
        </h3>
        <strong>{bytes(room.used_bytes)}</strong>
        <p>{short(rows)} rows, every one fsynced before its device is told</p>
        {Number.isFinite(oldest) && <p title={exact(oldest)}>the oldest of {ago(oldest)}</p>}
      </section>
      <Then label={memory && memory.waiting_rows > 0 ? `${short(memory.waiting_rows)} rows wait` : ""} />
      <section class={`tier warm ${memory ? "" : "off"}`}>
        <h3>
          <i aria-hidden="true" />
          Warm: files on this disk
        </h3>
        <strong>{memory ? bytes(memory.bytes) : "off"}</strong>
        <p>{memory ? `${short(memory.readings)} readings${memory.days.length ? `, ${steps(memory)}` : ""}` : "set `history: true` in node.yaml"}</p>
        {memory && memory.oldest_ns > 0 && <p title={exact(memory.oldest_ns)}>back to {ago(memory.oldest_ns)}</p>}
      </section>
      <Then label={memory && memory.sending > 0 ? `${memory.sending} files on their way` : ""} />
      <section class={`tier cold ${memory && memory.cold !== "off" ? "" : "off"}`}>
        <h3>
          <i aria-hidden="true" />
          Cold: a store elsewhere
        </h3>
        <strong>{memory && memory.cold !== "off" ? bytes(memory.cold_bytes) : "off"}</strong>
        <p>{!memory || memory.cold === "off" ? "a NAS or a bucket: `history.cold`" : memory.cold === "ready" ? "verified copies, asked when needed" : memory.cold}</p>
      </section>
    </div>
  );
}

function Then({ label }: { label: string }) {
  return (
    <div class="then">
      <svg viewBox="0 0 48 24" aria-hidden="true">
        <path d="M4 12h38M34 5l8 7-8 7" />
      </svg>
      {label && <span>{label}</span>}
    </div>
  );
}
