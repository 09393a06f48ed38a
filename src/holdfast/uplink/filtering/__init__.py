"""Edge filtering: raw readings stay at the site; summaries, alerts and what was around them go up (ADR 21)."""
