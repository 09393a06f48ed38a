"""Words typed by a person: argument parsing, and nothing that decides."""
