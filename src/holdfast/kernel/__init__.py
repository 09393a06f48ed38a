"""Clock, ids, errors and settings documents."""
