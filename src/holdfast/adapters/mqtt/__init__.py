"""Our own MQTT server: devices publish to it, local clients subscribe, and a PUBACK means "on disk"."""
