"""Recording real MQTT traffic and replaying it at any speed."""
