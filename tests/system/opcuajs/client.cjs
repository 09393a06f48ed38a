// A foreign OPC UA client: node-opcua. node client.cjs URL NODE… reads each node every 50 ms and says what has changed.
const { OPCUAClient } = require("node-opcua-client");
const { AttributeIds } = require("node-opcua-data-model");

async function main() {
  const [url, ...nodes] = process.argv.slice(2);
  const client = OPCUAClient.create({ endpointMustExist: false, connectionStrategy: { maxRetry: 2, initialDelay: 100 } });
  await client.connect(url);
  const session = await client.createSession();
  say({ namespaces: await session.readNamespaceArray() });
  let last = "";
  setInterval(async () => {
    const found = await session.read(nodes.map((nodeId) => ({ nodeId, attributeId: AttributeIds.Value })));
    const values = found.map((one) => ({
      value: one.value?.value ?? null, status: one.statusCode.name, at: one.sourceTimestamp,
    }));
    if (JSON.stringify(values) !== last) say({ values });
    last = JSON.stringify(values);
  }, 50);
  process.stdin.resume();
  process.stdin.on("end", () => process.exit(0));
}

function say(what) { process.stdout.write(JSON.stringify(what) + "\n"); }
main().catch((error) => { console.error(error); process.exit(1); });
