"""Feature sets: what models are given, named, versioned and hashed; computed by the rule engine's own stages."""
