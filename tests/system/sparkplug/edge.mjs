// Cirrus Link's edge node: node edge.mjs PORT [shy]. Takes lines on its input: `data N`, `zdata N` (compressed), `gap`,
// `ddeath`; tells of births and rebirth requests on its output. Shy: it says nothing of its birth until it's asked. What
// NCMD and DCMD write it does and reports; `stubborn`: it reports what was; `mute`: nothing; `obey`: as at first.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const sparkplug = createRequire(import.meta.url)("sparkplug-client");
const [port, shy] = process.argv.slice(2);
const edge = sparkplug.newClient({
  serverUrl: `mqtt://127.0.0.1:${port}`,
  username: null,
  password: null,
  groupId: "plant",
  edgeNode: "edge-1",
  clientId: "edge-1",
  publishDeath: false,
  version: "spBv1.0",
  mqttOptions: { reconnectPeriod: 100 },
});
const now = () => Date.now();
const values = { setpoint: 10.5, mode: "auto", on: true, level: 7 };
let manner = "obey";
const metric = (name, type, value, more = {}) => ({ name, type, value, timestamp: now(), ...more });
const births = () => {
  edge.publishNodeBirth({
    timestamp: now(),
    metrics: [
      metric("Node Control/Rebirth", "Boolean", false),
      metric("temperature", "Double", 20.5, {
        alias: 1,
        properties: { engUnit: { type: "String", value: "°C" }, Quality: { type: "Int32", value: 192 } },
      }),
      metric("serial", "String", "A-17"),
      metric("setpoint", "Float", values.setpoint, { alias: 7 }),
      metric("mode", "String", values.mode),
    ],
  });
  edge.publishDeviceBirth("pump", { timestamp: now(), metrics: [metric("starts", "Int64", -5), metric("on", "Boolean", values.on), metric("level", "Int16", values.level)] });
  console.log("born");
};
edge.on("connect", () => console.log("connected"));
edge.on("birth", () => (shy ? console.log("shy") : births()));
const written = (metrics, report) => {
  const named = metrics.map((m) => ({ ...m, name: m.name || { 7: "setpoint" }[Number(m.alias)], value: m.value }));
  console.log(`written ${JSON.stringify(named.map((m) => [m.name, m.type, Number.isFinite(m.value) ? Number(m.value) : m.value]))}`);
  if (manner === "obey") named.forEach((m) => (values[m.name] = m.value));
  if (manner !== "mute") report(named.map((m) => metric(m.name, m.type, values[m.name])));
};
edge.on("dcmd", (device, payload) => written(payload.metrics, (metrics) => edge.publishDeviceData(device, { timestamp: now(), metrics })));
edge.on("ncmd", (payload) => {
  if (!payload.metrics.some((m) => m.name === "Node Control/Rebirth")) {
    written(payload.metrics, (metrics) => edge.publishNodeData({ timestamp: now(), metrics }));
    return;
  }
  console.log(`asked ${JSON.stringify(payload.metrics.map((m) => [m.name, m.type, m.value]))}`);
  births();
});
createInterface({ input: process.stdin }).on("line", (line) => {
  const [word, value] = line.split(" ");
  if (["obey", "stubborn", "mute"].includes(word)) manner = word;
  if (word === "gap") edge.seq += 1; // as if a message had been lost
  if (word === "ddeath") edge.publishDeviceDeath("pump", { timestamp: now() });
  const options = { compress: word === "zdata", algorithm: "GZIP" };
  if (word === "data" || word === "zdata") edge.publishNodeData({ timestamp: now(), metrics: [metric("temperature", "Double", Number(value))] }, options);
});
