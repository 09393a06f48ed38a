"""LoRaWAN: vendors' JavaScript codecs in a sandbox, network servers' uplink messages, normalised names."""
