// MQTT.js against a node: node client.mjs PORT VERSION. Says what it saw as one line of JSON.
import mqtt from "mqtt";

const [port, version] = process.argv.slice(2).map(Number);
const url = `mqtt://127.0.0.1:${port}`;
const lasting = version === 5 ? { properties: { sessionExpiryInterval: 60 } } : {};
const until = async (what) => {
  const end = Date.now() + 10_000;
  while (!what()) {
    if (Date.now() > end) throw new Error(`it never came true: ${what}`);
    await new Promise((done) => setTimeout(done, 10));
  }
};
const join = async (clientId, more = {}) => {
  const client = mqtt.connect(url, { clientId, protocolVersion: version, reconnectPeriod: 0, ...more });
  client.heard = [];
  client.on("message", (topic, payload, packet) => client.heard.push([topic, payload.toString(), packet.qos]));
  await new Promise((done, failed) => {
    client.once("connect", (connack) => done((client.resumed = connack.sessionPresent)));
    client.once("error", failed);
  });
  return client;
};

const topic = `js/${version}`;
const listener = await join(`js-listener-${version}`, { clean: false, ...lasting });
const granted = await listener.subscribeAsync(`${topic}/#`, { qos: 2 });
const device = await join(`js-device-${version}`);
for (const qos of [0, 1, 2]) await device.publishAsync(`${topic}/here`, `here ${qos}`, { qos });
await until(() => listener.heard.length === 3);
await listener.endAsync();
for (const qos of [0, 1, 2]) await device.publishAsync(`${topic}/away`, `away ${qos}`, { qos });
const back = await join(`js-listener-${version}`, { clean: false, ...lasting });
await until(() => back.heard.length >= 2);
await new Promise((done) => setTimeout(done, 200));
await Promise.all([back.endAsync(), device.endAsync()]);
console.log(
  JSON.stringify({ granted: granted.map((one) => one.qos), here: listener.heard, away: back.heard, resumed: back.resumed }),
);
