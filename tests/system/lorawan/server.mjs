// A network server at its MQTT broker, by The Things Stack's and ChirpStack's documented messages: node server.mjs PORT.
// Lines on its input: `up tts`, `up cs`, and what becomes of the last downlink: `sent`, `ack`, `nack`, `failed` (TTS),
// `txack`, `csack`, `csnack`, `log` (ChirpStack). `quick`: what is pushed is sent at once. Tells of downlinks on its output; TTS says `queued` at once by itself,
// ChirpStack refuses an id that is in its queue.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const mqtt = createRequire(import.meta.url)("mqtt");
const [port] = process.argv.slice(2);
const client = mqtt.connect(`mqtt://127.0.0.1:${port}`, { clientId: "network-server", reconnectPeriod: 100 });
const TTS = "v3/site@ttn/devices/valve-1";
const CS = "application/17c82e96-be03-4f38-aef3-f83d48582d97/device/0004a30b001c0531";
const ids = { device_id: "valve-1", dev_eui: "0004A30B001C0530", application_ids: { application_id: "site" } };
const info = { tenantName: "site", applicationId: CS.split("/")[1], deviceProfileName: "valve", deviceName: "valve 2", devEui: CS.split("/")[3] };
const publish = (topic, said) => client.publish(topic, JSON.stringify(said), { qos: 1 });
let last, item, count = 0, isQuick = false;
const queue = new Set();
const told = (word, more = {}) => {
  const frame = { session_key_id: "AYfg8rhh", f_cnt: count, ...last };
  const said = word === "failed" ? { downlink: frame, error: { namespace: "pkg/networkserver", name: "schedule", message_format: "failed to schedule" } } : frame;
  publish(`${TTS}/down/${word}`, { end_device_ids: ids, correlation_ids: [...last.correlation_ids, "as:downlink:01"], [`downlink_${word}`]: said, ...more });
};
const cs = (event, said) => publish(`${CS}/event/${event}`, { deviceInfo: info, time: new Date().toISOString(), ...said });
client.on("connect", () => {
  client.subscribe(["v3/+/devices/+/down/push", "v3/+/devices/+/down/replace", "application/+/device/+/command/down"], { qos: 1 }, () => console.log("connected"));
});
client.on("message", (topic, payload) => {
  const said = JSON.parse(payload);
  console.log(`${topic} ${JSON.stringify(said)}`);
  if (topic.startsWith("v3/")) {
    [last] = said.downlinks;
    told("queued");
    if (isQuick) told("sent");
  } else if (queue.has(said.id)) {
    console.log("duplicate key value violates unique constraint device_queue_item_pkey");
  } else {
    queue.add(said.id);
    item = said;
  }
});
createInterface({ input: process.stdin }).on("line", (line) => {
  const up = { session_key_id: "AYfg8rhh", f_port: 2, f_cnt: ++count, frm_payload: "FQ==", received_at: new Date().toISOString() };
  if (line === "up tts") publish(`${TTS}/up`, { end_device_ids: ids, uplink_message: { ...up, version_ids: { brand_id: "north", model_id: "valve" } } });
  if (line === "up cs") cs("up", { deduplicationId: `d${count}`, fCnt: count, fPort: 2, data: "FQ==", object: { temperature: 21 } });
  if (line === "quick") isQuick = true;
  if (["sent", "ack", "nack", "failed"].includes(line)) told(line);
  if (line === "txack") cs("txack", { downlinkId: 3734987213, queueItemId: item.id, fCntDown: 12, gatewayId: "0016c001f153a14c" });
  if (line === "csack") cs("ack", { deduplicationId: "a", queueItemId: item.id, acknowledged: true, fCntDown: 12 });
  if (line === "csnack") cs("ack", { deduplicationId: "a", queueItemId: item.id, acknowledged: false, fCntDown: 12 });
  if (line === "log") cs("log", { level: "ERROR", code: "DOWNLINK_PAYLOAD_SIZE", description: "Payload too large", context: { queue_item_id: item.id } });
});
