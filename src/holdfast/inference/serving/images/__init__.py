"""Pictures for vision models: from a folder or a message to rows. `decoding` is pure, `watching` knows the disk."""
