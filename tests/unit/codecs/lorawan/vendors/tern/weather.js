'use strict';
// ES2020: classes, const, arrows, DataView, BigInt, spread, optional chaining; normalised output; recvTime as a Date.
const PORTS = Object.freeze({ measure: 2, counter: 3, clock: 4 });

class Reader {
  #view;
  #at = 0;
  constructor(bytes) { this.#view = new DataView(Uint8Array.from(bytes).buffer); }
  u16() { const v = this.#view.getUint16(this.#at); this.#at += 2; return v; }
  i16() { const v = this.#view.getInt16(this.#at); this.#at += 2; return v; }
  u64() { const v = this.#view.getBigUint64(this.#at); this.#at += 8; return v; }
}

const decoders = {
  [PORTS.measure]: (r) => ({ wind: { speed: r.u16() / 100, heading: r.u16() }, t: r.i16() / 100, p: r.u16() / 10 }),
  [PORTS.counter]: (r) => ({ pulses: r.u64() }),
  [PORTS.clock]: (_, when) => ({ year: when.getUTCFullYear(), isDate: when instanceof Date }),
};

const decodeUplink = ({ fPort, bytes, recvTime }) => {
  const decoder = decoders[fPort];
  if (decoder === undefined) throw new RangeError(`no decoder for port ${fPort}`);
  return { data: { ...decoder(new Reader(bytes), recvTime) }, warnings: [], errors: [] };
};

function normalizeUplink({ data }) {
  return {
    data: [{ air: { temperature: data.t, pressure: data.p }, wind: { speed: data.wind?.speed, direction: data.wind?.heading } }],
  };
}
