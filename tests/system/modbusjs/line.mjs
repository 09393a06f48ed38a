// modbus-serial as a gateway with units behind it: node line.mjs PORT. Unit n holds n.5 (f32) at input register 0.
// Lines on stdin: "mute N" and "speak N" silence a unit, "slow MS" delays every answer, "show" prints what was written.
import readline from "node:readline";
import Modbus from "modbus-serial";

const port = Number(process.argv[2]);
const muted = new Set();
const written = {};
let slow = 0;

function answer(unit, callback, value) {
  if (muted.has(unit)) return;
  setTimeout(() => callback(null, value), slow);
}
function register(at, unit) {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatBE(unit + 0.5);
  if (at < 2) return bytes.readUInt16BE(2 * at);
  return written[`${unit}/${at}`] ?? 0;
}
const vector = {
  getInputRegister: (at, unit, callback) => answer(unit, callback, register(at, unit)),
  getHoldingRegister: (at, unit, callback) => {
    if (at >= 100) callback({ modbusErrorCode: 2, msg: "illegal data address" });
    else answer(unit, callback, register(at, unit));
  },
  getCoil: (at, unit, callback) => answer(unit, callback, written[`${unit}/coil${at}`] ?? false),
  setRegister: (at, value, unit, callback) => {
    written[`${unit}/${at}`] = at === 50 ? 7 : value; // 50 keeps its own mind
    answer(unit, callback);
  },
  setCoil: (at, value, unit, callback) => {
    written[`${unit}/coil${at}`] = value;
    answer(unit, callback);
  },
};
new Modbus.ServerTCP(vector, { host: "127.0.0.1", port, unitID: 255 }).on("socketError", () => {});
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const [word, number] = line.split(" ");
  if (word === "mute") muted.add(Number(number));
  if (word === "speak") muted.delete(Number(number));
  if (word === "slow") slow = Number(number);
  console.log(word === "show" ? JSON.stringify(written) : "done");
});
process.stdin.on("end", () => process.exit(0));
setTimeout(() => console.log("ready"), 200);
