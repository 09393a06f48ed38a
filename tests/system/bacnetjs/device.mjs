// A device of @bacnet-js/client: node device.mjs HOST PORT INSTANCE [plain|nocov]. plain: ReadProperty only.
// Takes lines of JSON on its input, {"0,1": 22.5} sets values, {"flags 0,1": [0,1,0,0]} flags, {"fault 0,1": 4}
// reliability; {"slow": ms}; {"iam": "host:port"}. Tells of writes, subscriptions and acknowledgements on its output.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const { default: Bacnet, ApplicationTag: Tag, ErrorClass, ErrorCode } = createRequire(import.meta.url)("@bacnet-js/client");
const [host, port, instance, mood] = process.argv.slice(2);
const say = (what) => process.stdout.write(JSON.stringify(what) + "\n");
const [NAME, PRESENT, FLAGS, UNITS, LIST, STATES, RELIABILITY, PRIORITIES, VENDOR, MODEL] = [77, 85, 111, 117, 76, 110, 103, 87, 121, 70];
const ALL = 0xffffffff;
const objects = {
  "0,1": { name: "Supply air temp.", value: 21.5, tag: Tag.REAL, units: 62 },
  "0,2": { name: "Outside humidity", value: 40.25, tag: Tag.REAL, units: 29 },
  "2,1": { name: "Setpoint", value: 20, tag: Tag.REAL, units: 62, priorities: Array(16).fill(null), fallback: 20 },
  "3,1": { name: "Filter alarm", value: 0, tag: Tag.ENUMERATED },
  "4,1": { name: "Fan", value: 1, tag: Tag.ENUMERATED, priorities: Array(16).fill(null), fallback: 0 },
  "19,1": { name: "Mode", value: 2, tag: Tag.UNSIGNED_INTEGER, states: ["Off", "Heating", "Cooling"] },
  "40,1": { name: "Message", value: "all is well", tag: Tag.CHARACTER_STRING },
};
for (const one of Object.values(objects)) Object.assign(one, { flags: [0, 0, 0, 0], fault: 0 });
const text = (value) => [{ type: Tag.CHARACTER_STRING, value }];
const bits = (flags) => [{ type: Tag.BIT_STRING, value: { bitsUsed: 4, value: [flags.reduce((sum, bit, i) => sum | (bit << i), 0)] } }];
const subscriptions = new Map();
const ownId = { type: 8, instance: Number(instance) };
let slow = 0;

const device = new Bacnet({ port: Number(port), interface: host, apduTimeout: 2000, reuseAddr: false });
const key = (id) => `${id.type},${id.instance}`;

function read(id, property) {
  if (id.type === 8 && (id.instance === ownId.instance || id.instance === 4194303)) {
    const ids = [ownId, ...Object.keys(objects).map((k) => ({ type: +k.split(",")[0], instance: +k.split(",")[1] }))];
    if (property === LIST) return ids.map((value) => ({ type: Tag.OBJECTIDENTIFIER, value }));
    return { [NAME]: text("AHU 1"), [VENDOR]: text("Foreign Controls"), [MODEL]: text("JS-1") }[property];
  }
  const one = objects[key(id)];
  if (!one) return null;
  return {
    [NAME]: text(one.name),
    [PRESENT]: [{ type: one.tag, value: one.value }],
    [FLAGS]: bits(one.flags),
    [RELIABILITY]: [{ type: Tag.ENUMERATED, value: one.fault }],
    [UNITS]: one.units && [{ type: Tag.ENUMERATED, value: one.units }],
    [STATES]: one.states && one.states.flatMap(text),
    [PRIORITIES]: one.priorities && one.priorities.map((v) => (v === null ? { type: Tag.NULL, value: null } : { type: one.tag, value: v })),
  }[property];
}

const wrong = (id) => (read(id, NAME) === null ? [ErrorClass.OBJECT, ErrorCode.UNKNOWN_OBJECT] : [ErrorClass.PROPERTY, ErrorCode.UNKNOWN_PROPERTY]);
const later = (what) => (slow ? setTimeout(what, slow) : what());
const on = (service, handle) => device.on(service, (message) => later(() => handle(message.payload, message.header.sender, message)));
const refuse = (message, [errorClass, code]) => device.errorResponse(message.header.sender, message.service, message.invokeId, errorClass, code);

on("whoIs", (asked, from) => {
  const { lowLimit, highLimit } = asked;
  if (lowLimit === undefined || lowLimit < 0 || (ownId.instance >= lowLimit && ownId.instance <= highLimit)) device.iAmResponse(from, ownId.instance, 3, 999);
});
on("readProperty", ({ objectId, property }, from, message) => {
  const found = read(objectId, property.id);
  if (found) device.readPropertyResponse(from, message.invokeId, objectId, property, found);
  else refuse(message, wrong(objectId));
});
if (mood !== "plain")
  on("readPropertyMultiple", ({ properties }, from, message) => {
    const answer = properties.map(({ objectId, properties: wanted }) => ({
      objectId,
      values: wanted.map((property) => {
        const found = read(objectId, property.id);
        const [errorClass, errorCode] = found ? [] : wrong(objectId);
        return { property, value: found ?? [{ value: { type: "BacnetError", errorClass, errorCode } }] };
      }),
    }));
    device.readPropertyMultipleResponse(from, message.invokeId, answer);
  });
if (!["plain", "nocov"].includes(mood))
  on("subscribeCov", (asked, from, message) => {
    const id = asked.monitoredObjectId;
    if (!objects[key(id)]) return refuse(message, [ErrorClass.OBJECT, ErrorCode.UNKNOWN_OBJECT]);
    device.simpleAckResponse(from, message.service, message.invokeId);
    if (asked.cancellationRequest) subscriptions.delete(key(id));
    else subscriptions.set(key(id), { from, id, process: asked.subscriberProcessId, confirmed: asked.issueConfirmedNotifications, lifetime: asked.lifetime });
    say({ subscribed: key(id), confirmed: asked.issueConfirmedNotifications ?? null, lifetime: asked.lifetime ?? 0 });
    notify(key(id));
  });
on("writeProperty", ({ objectId, value }, from, message) => {
  const one = objects[key(objectId)];
  if (!one) return refuse(message, [ErrorClass.OBJECT, ErrorCode.UNKNOWN_OBJECT]);
  if (!one.priorities) return refuse(message, [ErrorClass.PROPERTY, ErrorCode.WRITE_ACCESS_DENIED]);
  const [given] = value.value;
  if (given.type !== Tag.NULL && given.value > 90) return refuse(message, [ErrorClass.PROPERTY, ErrorCode.VALUE_OUT_OF_RANGE]);
  say({ written: key(objectId), value: given.type === Tag.NULL ? null : given.value, priority: value.priority });
  one.priorities[value.priority - 1] = given.type === Tag.NULL ? null : given.value;
  one.value = one.priorities.find((v) => v !== null) ?? one.fallback;
  device.simpleAckResponse(from, message.service, message.invokeId);
  notify(key(objectId));
});

function notify(about) {
  const to = subscriptions.get(about);
  if (!to) return;
  const values = [{ property: { id: PRESENT }, value: read(to.id, PRESENT) }, { property: { id: FLAGS }, value: read(to.id, FLAGS) }];
  if (!to.confirmed) return device.unconfirmedCOVNotification(to.from, to.process, ownId.instance, to.id, to.lifetime, values);
  device.confirmedCOVNotification(to.from, to.id, to.process, ownId.instance, to.lifetime, values).then(
    () => say({ acknowledged: about }),
    (error) => say({ unacknowledged: about, error: String(error) }),
  );
}

createInterface({ input: process.stdin }).on("line", (line) => {
  for (const [what, value] of Object.entries(JSON.parse(line))) {
    const [verb, about] = what.split(" ");
    if (what === "slow") slow = value;
    else if (what === "iam") device.iAmResponse({ address: value }, ownId.instance, 3, 999);
    else if (what === "hold") objects[value].priorities[7] = objects[value].value = 21;
    else {
      if (verb === "flags") objects[about].flags = value;
      else if (verb === "fault") objects[about].fault = value;
      else objects[what].value = value;
      notify(about ?? what);
    }
  }
});
device.on("error", (error) => { say({ error: String(error) }); process.exit(1); });
device.on("listening", () => say({ ready: true }));
