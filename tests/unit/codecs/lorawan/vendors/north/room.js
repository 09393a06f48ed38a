// ES5: bit twiddling over a plain array, a table at module level, an implicit global, legacy octal-free hex.
var CHANNELS = {
  0x67: ['temperature', 2, function (v) { return v / 10; }],
  0x68: ['humidity', 1, function (v) { return v / 2; }],
  0x65: ['illumination', 2, function (v) { return v; }],
  0x75: ['battery', 1, function (v) { return v; }]
};
var seen = 0;
function signed(v, bits) { return v & (1 << (bits - 1)) ? v - (1 << bits) : v; }
function decodeUplink(input) {
  var bytes = input.bytes, data = {}, warnings = [];
  seen = seen + 1;
  counter = (typeof counter === 'undefined' ? 0 : counter) + 1; // leaks into the global object, as real ones do
  if (input.fPort !== 85) return { errors: ['unknown FPort'] };
  if (!Array.isArray(bytes) || bytes.slice(0, 1).concat([]).length > 1) return { errors: ['not an array'] };
  for (var i = 0; i < bytes.length;) {
    var type = bytes[i + 1], channel = CHANNELS[type];
    if (!channel) { warnings.push('unknown channel type 0x' + type.toString(16)); break; }
    var value = 0;
    for (var j = 0; j < channel[1]; j++) value |= bytes[i + 2 + j] << (8 * j);
    data[channel[0]] = channel[2](channel[1] === 2 && type === 0x67 ? signed(value, 16) : value);
    i += 2 + channel[1];
  }
  data.calls = seen + counter;
  data.nothing = undefined;
  return { data: data, warnings: warnings };
}
if (typeof module !== 'undefined') { module.exports = { decodeUplink: decodeUplink }; }
