"""A fleet of pretend devices that speak real MQTT and keep their own record of what was acknowledged."""
