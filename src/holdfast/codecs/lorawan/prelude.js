// Evaluated before a vendor's script in every fresh context; what a script redefines later can't reach in here.
(function () {
  'use strict';
  const stringify = JSON.stringify, parse = JSON.parse, toText = String, DateOf = Date, NumberOf = Number;
  const isSafe = Number.isSafeInteger, isArray = Array.isArray, create = Object.create;
  const cut = Function.prototype.call.bind(String.prototype.slice);
  const wellFormed = Function.prototype.call.bind(String.prototype.toWellFormed);
  const silent = () => {};
  globalThis.console = {};
  for (const word of ['log', 'info', 'warn', 'error', 'debug', 'trace', 'table', 'dir', 'assert', 'group', 'groupEnd', 'time', 'timeEnd']) {
    globalThis.console[word] = silent;
  }
  const isView = ArrayBuffer.isView, listOf = Array.from;

  function told(thrown) {
    try {
      const isObject = typeof thrown === 'object' && thrown !== null;
      const words = isObject && 'message' in thrown ? thrown.name + ': ' + thrown.message : toText(thrown);
      return cut(words, 0, 300) + (isObject && typeof thrown.stack === 'string' ? '\n' + cut(thrown.stack, 0, 300) : '');
    } catch {
      return 'a value that cannot be shown was thrown';
    }
  }

  function plain(key, value) {
    if (isView(value)) return listOf(value, (one) => plain('', one));
    if (typeof value !== 'bigint') return value;
    const number = NumberOf(value);
    return isSafe(number) ? number : toText(value);
  }

  // First letter: R a result as JSON, T what was thrown, O how long the result is when it is too long.
  // The members stand on an object without a prototype, so no setter or toJSON of Object.prototype is met there.
  function guarded(limit, members, work) {
    try {
      work(members);
      const text = stringify(members, plain);
      return text.length > limit ? 'O' + text.length : 'R' + text;
    } catch (thrown) {
      return 'T' + wellFormed(told(thrown));
    }
  }

  function decode(main, normalize, input, out) {
    const result = main(input);
    out.result = result;
    out.is_object = typeof result === 'object' && result !== null && !isArray(result);
    if (!out.is_object || normalize === null || (isArray(result.errors) && result.errors.length > 0)) return;
    try {
      out.normalized = normalize({ data: result.data });
    } catch (thrown) {
      out.normalize_threw = told(thrown);
    }
  }

  // Contracts before this one: The Things Network v2, and ChirpStack v3.
  const OLD = {
    __proto__: null,
    Decoder: (main, input, out) => { out.data = main(input.bytes, input.fPort); },
    Decode: (main, input, out) => {
      const said = main(input.fPort, input.bytes, {});
      out.data = typeof said === 'object' && said !== null && !isArray(said) && typeof said.data === 'object' ? said.data : said;
    },
    Encoder: (main, input, out) => { out.bytes = main(input.data, input.fPort || 1); out.fPort = input.fPort || 1; },
    Encode: (main, input, out) => { out.bytes = main(input.fPort || 1, input.data, {}); out.fPort = input.fPort || 1; },
  };

  return function run(kind, main, normalize, text, limit) {
    return guarded(limit, create(null), (out) => {
      const input = parse(text);
      if (typeof input.recvTime === 'number') input.recvTime = new DateOf(input.recvTime);
      if (kind in OLD) {
        out.result = create(null);
        OLD[kind](main, input, out.result);
        out.is_object = true;
      } else {
        decode(main, normalize, input, out);
      }
    });
  };
})();
