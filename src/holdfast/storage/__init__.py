"""The only door to disk: SQLite, files, fsync."""
