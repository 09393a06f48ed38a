"""Rules over the past: what they would have done, what an edit changes, and a process of its own that works it out."""
