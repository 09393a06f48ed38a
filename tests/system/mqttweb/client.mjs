// mqtt.js over WebSocket: publishes what it is told to, hears it back, and says so as JSON.
// client.mjs URL CA-FILE VERSION: version 4 (3.1.1) or 5; an empty CA-FILE for ws://
import { readFileSync } from "node:fs";
import mqtt from "mqtt";

const [url, ca, version] = process.argv.slice(2);
const client = await mqtt.connectAsync(url, {
  protocolVersion: Number(version),
  clientId: `js-${version}`,
  ca: ca ? readFileSync(ca) : undefined,
  reconnectPeriod: 0,
});
const heard = [];
let enough;
const all = new Promise((resolve) => { enough = resolve; });
client.on("message", (topic, payload) => {
  heard.push([topic, payload.length, payload.subarray(0, 5).toString()]);
  if (heard.length === 3) enough();
});
const granted = await client.subscribeAsync("js/#", { qos: 1 });
await client.publishAsync("js/small", "hello", { qos: 1 });
await client.publishAsync("js/large", Buffer.alloc(200_000, "x"), { qos: 1 });
await client.publishAsync("js/zero", "", { qos: 0 });
await all;
await client.endAsync();
console.log(JSON.stringify({ granted: granted.map((g) => g.qos), heard }));
