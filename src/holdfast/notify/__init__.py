"""Alerts to people: what the journal says is told through channels, repeated, silenced, acknowledged and escalated."""
