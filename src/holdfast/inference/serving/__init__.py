"""Serving: rows in, results out, inside a latency budget. `schedule` decides, `pool` runs, `service` awaits."""
