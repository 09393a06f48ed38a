// A foreign OPC UA server: node-opcua. node server.cjs PORT [OPTIONS as JSON]; lines of JSON on stdin drive it.
const { OPCUAServer } = require("node-opcua-server");
const { StatusCodes } = require("node-opcua-status-code");
const { DataValue } = require("node-opcua-data-value");
const { DataType, VariantArrayType } = require("node-opcua-variant");
const { MessageSecurityMode, SecurityPolicy } = require("node-opcua-secure-channel");
const readline = require("node:readline");
const options = JSON.parse(process.argv[3] || "{}");
const TYPES = {
  flag: ["Boolean", true], sbyte: ["SByte", -5], byte: ["Byte", 250], int16: ["Int16", -30000],
  uint16: ["UInt16", 60000], int32: ["Int32", -2000000000], uint32: ["UInt32", 4000000000],
  float: ["Float", 0.5], double: ["Double", 12.75], text: ["String", "grün"],
};

async function main() {
  const server = new OPCUAServer({
    port: Number(process.argv[2]),
    hostname: "127.0.0.1",
    securityModes: options.secure ? [MessageSecurityMode.None, MessageSecurityMode.Sign, MessageSecurityMode.SignAndEncrypt] : [MessageSecurityMode.None],
    securityPolicies: options.secure ? [SecurityPolicy.None, SecurityPolicy.Basic256Sha256, SecurityPolicy.Aes256_Sha256_RsaPss] : [SecurityPolicy.None],
    allowAnonymous: !options.users,
    userManager: options.users ? { isValidUser: (user, password) => options.users[user] === password } : undefined,
    serverCapabilities: { maxSessions: options.sessions || 20, minSupportedSampleRate: 0 },
    ...(options.pki ? { serverCertificateManager: await pki(options.pki) } : {}),
  });
  await server.initialize();
  const space = server.engine.addressSpace;
  for (let i = 0; i < (options.shift || 0); i++) space.registerNamespace(`urn:other:${i}`);
  const plant = space.registerNamespace("urn:plant:press");
  const folder = plant.addFolder(space.rootFolder.objects, { browseName: "Press1", nodeId: "s=Press1" });
  const made = {};
  const add = (name, dataType, value, more = {}) => {
    made[name] = plant.addVariable({
      componentOf: folder, browseName: name, nodeId: `s=Press1.${name}`, dataType,
      accessLevel: "CurrentRead | CurrentWrite", userAccessLevel: "CurrentRead | CurrentWrite", ...more,
    });
    if (value !== undefined) made[name].setValueFromSource({ dataType: more.as || dataType, value, ...(more.array || {}) });
    return made[name];
  };
  for (const [name, [type, value]] of Object.entries(TYPES)) add(name, type, value);
  add("int64", "Int64", [0x1fffff, 0xffffffff], { array: { arrayType: VariantArrayType.Scalar } });
  add("when", "DateTime", new Date("2026-01-02T03:04:05.678Z"));
  add("label", "LocalizedText", { text: "Presse", locale: "de" });
  add("array", "Double", new Float64Array([1.5, 2.5, 3.5]), { valueRank: 1, arrayDimensions: [3], array: { arrayType: VariantArrayType.Array } });
  const mode = plant.addEnumerationType({ browseName: "Mode", enumeration: ["Off", "Manual", "Auto"] });
  add("mode", mode, 2, { as: "Int32" });
  const force = plant.addAnalogDataItem({
    componentOf: folder, browseName: "force", nodeId: "s=Press1.force", dataType: "Double",
    engineeringUnitsRange: { low: 0, high: 500 },
    engineeringUnits: { namespaceUri: "http://www.opcfoundation.org/UA/units/un/cefact", unitId: 4338743, displayName: { text: "kN" }, description: { text: "kilonewton" } },
    value: { dataType: "Double", value: 1 },
  });
  made.force = force;
  add("setpoint", "Float", 10);
  add("locked", "Double", 3, { accessLevel: "CurrentRead", userAccessLevel: "CurrentRead" });
  for (let i = 0; i < (options.many || 0); i++) add(`n${i}`, "Double", 0);
  await server.start();

  const verbs = {
    // value, status and source time (ms) of a node
    set: ({ name, value, type, status, at }) => {
      const node = made[name];
      const dataType = DataType[type || (TYPES[name] || [])[0] || (["mode"].includes(name) ? "Int32" : "Double")];
      const code = StatusCodes[status || "Good"];
      const when = at ? new Date(at) : new Date();
      if (value === null) node._internal_set_dataValue(new DataValue({ statusCode: code, sourceTimestamp: when }));
      else node.setValueFromSource({ dataType, value }, code, when);
    },
    // `count` changes of a node, `every` ms
    ramp: ({ name, count, every, from = 0 }) => {
      let i = 0;
      const timer = setInterval(() => {
        made[name].setValueFromSource({ dataType: "Double", value: from + i });
        if (++i >= count) { clearInterval(timer); say({ ramped: name }); }
      }, every);
    },
    // every node nI, `hz` times a second
    churn: ({ hz, seconds }) => {
      let round = 0;
      const timer = setInterval(() => {
        round++;
        for (let i = 0; i < options.many; i++) made[`n${i}`].setValueFromSource({ dataType: "Double", value: round + i / 1000 });
        if (round >= hz * seconds) { clearInterval(timer); say({ churned: round }); }
      }, 1000 / hz);
    },
    // the loop stands still: connections stay open, nothing answers
    hang: ({ ms }) => { const until = Date.now() + ms; while (Date.now() < until); },
    add: ({ name }) => { add(name, "Double", 7); },
    read: ({ name }) => say({ name, value: made[name].readValue().value.value }),
    sessions: () => say({ sessions: server.engine.currentSessionCount, subscriptions: server.engine.currentSubscriptionCount }),
  };
  readline.createInterface({ input: process.stdin }).on("line", (line) => {
    const told = JSON.parse(line);
    verbs[told.do](told);
    say({ done: told.do });
  });
  say({ listening: Number(process.argv[2]) });
}

async function pki(folder) {
  const { OPCUACertificateManager } = require("node-opcua-certificate-manager");
  const manager = new OPCUACertificateManager({ rootFolder: folder, automaticallyAcceptUnknownCertificate: !options.strict });
  await manager.initialize();
  return manager;
}

function say(what) { process.stdout.write(JSON.stringify(what) + "\n"); }
process.stdin.on("end", () => process.exit(0));
main().catch((error) => { console.error(error); process.exit(1); });
