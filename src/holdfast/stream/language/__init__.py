"""From the text of rules to what the engine runs."""
