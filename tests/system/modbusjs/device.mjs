// jsmodbus as a device: node device.mjs PORT [rtu]. Input and holding registers hold the same f32s; every 100 ms the
// first counts on. Lines on stdin: "set REGISTER HEX" writes both tables.
import net from "node:net";
import readline from "node:readline";
import modbus from "jsmodbus";

const [port, framing] = process.argv.slice(2);
const holding = Buffer.alloc(200);
const input = Buffer.alloc(200);
const coils = Buffer.alloc(4);
const discrete = Buffer.from([0b00000101]);
for (const table of [holding, input]) {
  table.writeFloatBE(230.5, 0);
  table.writeFloatBE(231.25, 4);
  table.writeFloatBE(-3.5, 8);
  table.writeInt16BE(-40, 12);
  table.writeUInt32BE(123456789, 14);
}
const options = { holding, input, coils, discrete };
const sockets = new Set();
const server = net.createServer((socket) => {
  sockets.add(socket);
  socket.on("error", () => {});
  socket.on("close", () => sockets.delete(socket));
  if (framing === "rtu") new modbus.server.RTU(socket, options);
});
if (framing !== "rtu") new modbus.server.TCP(server, options);
let count = 0;
setInterval(() => input.writeFloatBE(1000 + ++count, 20), 100);
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const [word, at, hex] = line.split(" ");
  if (word === "set") for (const table of [holding, input]) Buffer.from(hex, "hex").copy(table, 2 * at);
  if (word === "drop") for (const socket of sockets) socket.destroy();
  console.log("done");
});
process.stdin.on("end", () => process.exit(0));
server.listen(Number(port), "127.0.0.1", () => console.log("ready"));
