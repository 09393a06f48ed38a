// Node's Buffer and TextDecoder, as far as codecs use them (ChirpStack v4 has Buffer, too). Evaluated only for scripts
// that name either.
(function () {
  'use strict';
  const DIGITS = '0123456789abcdef';
  function ofHex(text) {
    const out = [];
    for (let i = 0; i + 1 < text.length; i += 2) out.push(parseInt(text.substr(i, 2), 16));
    return out;
  }
  function ofText(text, encoding) {
    const kind = String(encoding || 'utf8').toLowerCase();
    if (kind === 'hex') return ofHex(text);
    if (kind === 'base64') return Array.from(atob(text), (c) => c.charCodeAt(0));
    if (kind === 'ascii' || kind === 'latin1' || kind === 'binary') return Array.from(text, (c) => c.charCodeAt(0) & 255);
    return Array.from(unescape(encodeURIComponent(text)), (c) => c.charCodeAt(0));
  }
  function utf8(bytes) {
    const text = String.fromCharCode.apply(null, bytes);
    try {
      return decodeURIComponent(escape(text));
    } catch {
      return text;
    }
  }

  class Buffer extends Uint8Array {
    static from(value, encoding) {
      return new Buffer(typeof value === 'string' || value instanceof ArrayBuffer ? value : Array.from(value), encoding);
    }
    static alloc(size, fill) {
      return new Buffer(size).fill(fill || 0);
    }
    static concat(list) {
      return Buffer.from([].concat(...list.map((one) => Array.from(one))));
    }
    static isBuffer(value) {
      return value instanceof Buffer;
    }
    constructor(value, encoding, ...more) {
      if (typeof value === 'string') super(ofText(value, encoding));
      else if (value instanceof ArrayBuffer) super(value, encoding, ...more);
      else super(value);
    }
    get view() {
      return new DataView(this.buffer, this.byteOffset, this.byteLength);
    }
    subarray(from = 0, to = this.length) {
      const first = from < 0 ? Math.max(0, this.length + from) : Math.min(from, this.length);
      const end = to < 0 ? Math.max(0, this.length + to) : Math.min(to, this.length);
      return new Buffer(this.buffer, this.byteOffset + first, Math.max(0, end - first));
    }
    slice(from, to) {
      return this.subarray(from, to);
    }
    readUIntBE(at, size) {
      let out = 0;
      for (let i = 0; i < size; i++) out = out * 256 + this[at + i];
      return out;
    }
    readUIntLE(at, size) {
      let out = 0;
      for (let i = size - 1; i >= 0; i--) out = out * 256 + this[at + i];
      return out;
    }
    readUintBE(at, size) {
      return this.readUIntBE(at, size);
    }
    readUintLE(at, size) {
      return this.readUIntLE(at, size);
    }
    readIntBE(at, size) {
      const out = this.readUIntBE(at, size);
      return out >= 2 ** (8 * size - 1) ? out - 2 ** (8 * size) : out;
    }
    readIntLE(at, size) {
      const out = this.readUIntLE(at, size);
      return out >= 2 ** (8 * size - 1) ? out - 2 ** (8 * size) : out;
    }
    toString(encoding, from = 0, to = this.length) {
      const bytes = Array.from(this.subarray(from, to));
      const kind = String(encoding || 'utf8').toLowerCase();
      if (kind === 'hex') return bytes.map((b) => DIGITS[b >> 4] + DIGITS[b & 15]).join('');
      if (kind === 'base64') return btoa(String.fromCharCode.apply(null, bytes));
      if (kind === 'ascii' || kind === 'latin1' || kind === 'binary') return String.fromCharCode.apply(null, bytes);
      return utf8(bytes);
    }
  }
  const NAMES = [
    ['UInt8', 'Uint8'], ['Int8', 'Int8'], ['UInt16', 'Uint16'], ['Int16', 'Int16'], ['UInt32', 'Uint32'],
    ['Int32', 'Int32'], ['Float', 'Float32'], ['Double', 'Float64'], ['BigUInt64', 'BigUint64'], ['BigInt64', 'BigInt64'],
  ];
  for (const [name, type] of NAMES) {
    for (const [order, isLittle] of name.endsWith('8') ? [['', false]] : [['BE', false], ['LE', true]]) {
      Buffer.prototype['read' + name + order] = function (at = 0) { return this.view['get' + type](at, isLittle); };
      Buffer.prototype['write' + name + order] = function (value, at = 0) {
        this.view['set' + type](at, value, isLittle);
        return at + (parseInt(type.replace(/[^0-9]/g, ''), 10) >> 3);
      };
      if (name.startsWith('UInt')) Buffer.prototype['readUint' + name.slice(4) + order] = Buffer.prototype['read' + name + order];
    }
  }
  globalThis.Buffer = Buffer;
  globalThis.TextDecoder = class {
    decode(bytes) { return bytes === undefined ? '' : utf8(Array.from(new Uint8Array(bytes.buffer || bytes))); }
  };
})();
