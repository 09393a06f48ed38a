"""The demo: devices, a gateway, a hub and an outage, as real processes; and a ledger that must balance."""
