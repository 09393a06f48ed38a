// Where rows lie: the journal's room, the tiers, what went and why, backups, and the ledger that says whether it's all there.
import { bytes, percent, short, whole } from "~/lib/format";
import { useLoad } from "~/lib/load";
import { ago, exact, lasting, moment } from "~/lib/time";
import { Badge, Card, Empty, ErrorNote, Facts, Loading, Meter, type Mood, Page, Stat } from "~/parts/basic";
import { type Column, Table } from "~/parts/Table";
import { type Memory, type Room, Tiers } from "./storage/tiers";
import { laneName, type Ledger, reason, total } from "./sync/lanes";
import "./sync/sync.css";
import "./storage/storage.css";

const FULL: Record<string, string> = { shed: "oldest go", summarise: "summarised", refuse: "never go" };
const SAYS: Record<string, string> = {
  green: "There's room: nothing has to go.",
  yellow: "What the parent safely holds is dropped here.",
  orange: "What the parent holds at all is dropped; bulk rows are shed or summarised.",
  red: "Normal rows are shed, too. Alerts and commands never are.",
};
const MOODS: Record<string, Mood> = { green: "good", yellow: "warn", orange: "warn", red: "bad" };

export default function Storage() {
  const room = useLoad<Room>("storage", {}, 5000);
  const ledger = useLoad<Ledger>("ledger", {}, 10_000);
  const memory = useLoad<Memory>(room.data?.has_history ? "history" : null, {}, 30_000);
  if (!room.data) return room.error ? <ErrorNote error={room.error} /> : <Loading />;
  const { data } = room;
  return (
    <Page
      title="Storage"
      about={
        <>
          <Badge mood={MOODS[data.level]}>{data.level}</Badge> {SAYS[data.level] ?? ""}
        </>
      }
    >
      {data.condition !== "ok" && (
        <div class="banner bad" role="alert">
          <span>The journal is {data.condition}: nothing is acknowledged, devices keep their messages.</span>
        </div>
      )}
      <Card title="Tiers" note="from fast and short to large and long">
        <Tiers room={data} memory={memory.data} />
      </Card>
      <Card title="Journal" note={`${percent(data.used_bytes / data.quota_bytes)} of its quota of ${bytes(data.quota_bytes)}`}>
        <Gauge room={data} />
      </Card>
      <div class="grid">
        <Stat title="Free on the disk" value={bytes(data.disk_free_bytes)} note={`of ${bytes(data.disk_bytes)}`} mood={data.disk_free_bytes < 500e6 ? "bad" : ""}>
          <Meter part={1 - data.disk_free_bytes / data.disk_bytes} label="Part of the disk that is taken" mood={data.disk_free_bytes < 500e6 ? "bad" : ""} />
        </Stat>
        <Stat title="On disk" value={bytes(data.file_bytes)} note={`the journal's files, ${bytes(data.wal_bytes)} of it the write-ahead log`} />
        <Backup room={data} />
        {ledger.data && (
          <Stat
            title="Ledger"
            value={ledger.data.balanced ? "Balanced" : "Off"}
            mood={ledger.data.balanced ? "" : "bad"}
            note={ledger.data.balanced ? "every row and message is accounted for" : "please report this"}
          />
        )}
      </div>
      <Lanes room={data} />
      {ledger.data && <Accounts ledger={ledger.data} />}
      <div class="grid wide">
        {ledger.data && <Went ledger={ledger.data} memory={memory.data} />}
        {memory.data ? <Files memory={memory.data} /> : memory.error && <NoMemory isOff={memory.error.status === 404} text={memory.error.message} />}
      </div>
    </Page>
  );
}

function Gauge({ room }: { room: Room }) {
  const at = (n: number): number => Math.min(100, (100 * n) / room.quota_bytes);
  return (
    <div class="gauge" role="img" aria-label={`${bytes(room.used_bytes)} of ${bytes(room.quota_bytes)} used, level ${room.level}`}>
      <svg viewBox="0 0 100 20" preserveAspectRatio="none" aria-hidden="true">
        <rect class="track" x="0" y="4" width="100" height="12" rx="0.5" />
        <rect class={`fill ${room.level}`} x="0" y="4" width={Math.max(0.3, at(room.used_bytes))} height="12" rx="0.5" />
        {Object.entries(room.levels).map(([name, n]) => (
          <line key={name} x1={at(n)} x2={at(n)} y1="0" y2="20" />
        ))}
      </svg>
      <div class="marks" aria-hidden="true">
        {Object.entries(room.levels).map(([name, n]) => (
          <span key={name} style={{ left: `${at(n)}%` }}>
            <b>{name}</b>
            {bytes(n)}
          </span>
        ))}
      </div>
      <p class="small soft">
        {bytes(room.used_bytes)} used. {SAYS[room.level]}
      </p>
    </div>
  );
}

function Backup({ room }: { room: Room }) {
  const { backup } = room;
  if (!backup) return <Stat title="Backup" value="None" note="set `backup` in node.yaml to have one" />;
  const age = (Date.now() * 1e6 - backup.newest_ns) / 1e9;
  const isOld = backup.newest_ns === 0 || age > 2 * backup.every_s + 3600;
  return (
    <Stat
      title="Newest backup"
      value={backup.newest_ns ? ago(backup.newest_ns) : "none yet"}
      mood={isOld ? "warn" : ""}
      note={`every ${lasting(backup.every_s)}; ${backup.files} ${backup.files === 1 ? "file" : "files"}, ${bytes(backup.bytes)}`}
    />
  );
}

type LaneRow = Room["lanes"][number];

function Lanes({ room }: { room: Room }) {
  const rows = room.lanes.filter((lane) => lane.rows > 0 || lane.lane < 3);
  const columns: Column<LaneRow>[] = [
    {
      name: "Lane",
      cell: ({ lane }) => (
        <span class="nowrap">
          <i class={`lane-dot lane-${lane}`} aria-hidden="true" />
          {laneName(lane)}
        </span>
      ),
    },
    { name: "Rows", isNumber: true, cell: (row) => <strong>{short(row.rows)}</strong> },
    { name: "Oldest", isNumber: true, cell: (row) => <span title={exact(row.oldest_ns)}>{row.oldest_ns ? ago(row.oldest_ns) : "—"}</span> },
    { name: "Dropped after delivery", isNumber: true, wideOnly: true, cell: (row) => short(row.dropped) },
    { name: "Kept at most", isNumber: true, wideOnly: true, cell: (row) => (row.max_age_s ? lasting(row.max_age_s) : "no bound") },
    { name: "When full", cell: (row) => <span class="soft">{FULL[row.when_full] ?? row.when_full}</span> },
  ];
  return (
    <Card title="In the journal, by lane" flush>
      <Table label="Lanes in the journal" rows={rows} columns={columns} id={(row) => row.lane} maxHeight="none" />
    </Card>
  );
}

type Account = Ledger["lanes"][number];

function Accounts({ ledger }: { ledger: Ledger }) {
  const { messages } = ledger;
  const rows = ledger.lanes.filter((lane) => lane.committed > 0);
  const columns: Column<Account>[] = [
    { name: "Lane", cell: (row) => laneName(row.lane) },
    { name: "Committed", isNumber: true, cell: (row) => whole(row.committed) },
    { name: "= delivered", isNumber: true, cell: (row) => whole(row.delivered) },
    { name: "+ waits", isNumber: true, cell: (row) => whole(row.pending) },
    { name: "+ kept", isNumber: true, cell: (row) => whole(row.kept) },
    { name: "+ gone", isNumber: true, wideOnly: true, cell: (row) => whole(total(row.shed) - row.late) },
    { name: "Left over", isNumber: true, cell: (row) => <Residual n={row.residual} /> },
  ];
  return (
    <Card title="Ledger" note="what came in, and where it is" flush>
      <p class="equation">
        <b>{whole(messages.received)}</b> messages received = <b>{whole(messages.accepted)}</b> accepted + <b>{whole(messages.quarantined)}</b> refused +{" "}
        <b>{whole(messages.duplicates)}</b> repeats
        <Residual n={messages.residual} />
      </p>
      <Table
        label="Ledger by lane"
        rows={rows}
        columns={columns}
        id={(row) => row.lane}
        maxHeight="none"
        empty={<Empty title="No rows yet.">A device's first reading makes one.</Empty>}
      />
    </Card>
  );
}

function Residual({ n }: { n: number }) {
  return n === 0 ? <Badge mood="good">0</Badge> : <Badge mood="bad">{whole(n)}</Badge>;
}

function Went({ ledger, memory }: { ledger: Ledger; memory: Memory | null }) {
  const gone: Record<string, number> = {};
  for (const lane of ledger.lanes) for (const [word, rows] of Object.entries(lane.shed)) gone[reason(word)] = (gone[reason(word)] ?? 0) + rows;
  for (const one of memory?.went ?? []) {
    const words = one.step ? `made coarser to ${lasting(one.step)}, ${reason(one.reason)}` : `from files, ${reason(one.reason)}`;
    gone[words] = (gone[words] ?? 0) + one.rows;
  }
  const rows = Object.entries(gone).sort((a, b) => b[1] - a[1]);
  const most = Math.max(1, ...rows.map(([, n]) => n));
  return (
    <Card title="What went, and why">
      {rows.length ? (
        <div class="reasons">
          {rows.map(([words, n]) => [
            <span key={`${words}n`}>{words}</span>,
            <i key={`${words}b`} aria-hidden="true">
              <b style={{ width: `${Math.max(1, (100 * n) / most)}%` }} />
            </i>,
            <span key={`${words}c`} class="num">
              {whole(n)} rows
            </span>,
          ])}
        </div>
      ) : (
        <Empty title="Nothing went.">Every row that was stored is here, or at the parent.</Empty>
      )}
    </Card>
  );
}

function Files({ memory }: { memory: Memory }) {
  const days = new Map<string, { warm: number; cold: number; damaged: number }>();
  for (const one of memory.days) {
    const day = days.get(one.day) ?? { warm: 0, cold: 0, damaged: 0 };
    days.set(one.day, { warm: day.warm + one.bytes, cold: day.cold + one.cold_bytes, damaged: day.damaged + one.damaged });
  }
  const shown = [...days].sort(([a], [b]) => (a < b ? -1 : 1)).slice(-90);
  const most = Math.max(1, ...shown.map(([, day]) => day.warm + day.cold));
  const damaged = shown.reduce((sum, [, day]) => sum + day.damaged, 0);
  return (
    <Card title="The site's memory, day by day" note={`${short(memory.readings)} readings in ${whole(memory.pieces)} files`}>
      {damaged > 0 && (
        <div class="banner bad" role="alert">
          <span>{whole(damaged)} files are damaged: run `holdfast history check`.</span>
        </div>
      )}
      {shown.length ? (
        <div class="days">
          <svg viewBox={`0 0 ${Math.max(7, shown.length)} 100`} preserveAspectRatio="none" role="img" aria-label={`Size of ${shown.length} days of files`}>
            {shown.map(([day, { warm, cold }], i) => {
              const low = (96 * cold) / most, high = (96 * warm) / most;
              return (
                <g key={day}>
                  <title>{`${day}: ${bytes(warm)} here, ${bytes(cold)} in the cold store`}</title>
                  <rect class="cold" x={i + 0.1} width="0.8" y={100 - low} height={low} />
                  <rect class="warm" x={i + 0.1} width="0.8" y={100 - low - high} height={high} />
                </g>
              );
            })}
          </svg>
          <div class="ends" style={{ width: `${(100 * shown.length) / Math.max(7, shown.length)}%` }}>
            <span>{shown[0]?.[0]}</span>
            {shown.length > 1 && <span>{shown.at(-1)?.[0]}</span>}
          </div>
          <div class="key">
            <span>
              <i class="warm" aria-hidden="true" />
              on this disk
            </span>
            <span>
              <i class="cold" aria-hidden="true" />
              cold store: {memory.cold}
            </span>
          </div>
          <Facts
            rows={[
              ["From", memory.oldest_ns ? moment(memory.oldest_ns) : "—"],
              ["To", memory.newest_ns ? moment(memory.newest_ns) : "—"],
              ["Encrypted", memory.encrypted ? "yes" : "no"],
            ]}
          />
        </div>
      ) : (
        <Empty title="No files yet.">{short(memory.waiting_rows)} readings of the journal will be in one soon.</Empty>
      )}
    </Card>
  );
}

function NoMemory({ isOff, text }: { isOff: boolean; text: string }) {
  return (
    <Card title="The site's memory">
      <Empty title={isOff ? "Readings aren't kept in files here." : text}>
        {isOff ? "With `history: true` in node.yaml they stay for years in a tenth of the room." : "Look at the log."}
      </Empty>
    </Card>
  );
}
