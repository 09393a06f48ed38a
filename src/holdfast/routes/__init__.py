"""Routes: committed rows, published to a foreign MQTT broker, in order and at least once."""
