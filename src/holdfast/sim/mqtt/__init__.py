"""A small MQTT 3.1.1 client for pretend devices, recording and replay."""
