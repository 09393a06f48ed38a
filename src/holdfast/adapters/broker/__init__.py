"""Foreign MQTT brokers: this node as their client, subscribing and publishing."""
