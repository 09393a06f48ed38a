function encodeDownlink(input) {
  var minutes = input.data.minutes;
  if (typeof minutes !== 'number' || minutes < 1) return { errors: ['minutes must be 1 or more'] };
  return { fPort: 85, bytes: [0xff, 0x03, (minutes * 60) & 0xff, (minutes * 60) >> 8] };
}
function decodeDownlink(input) {
  return { data: { minutes: (input.bytes[2] | (input.bytes[3] << 8)) / 60 } };
}
