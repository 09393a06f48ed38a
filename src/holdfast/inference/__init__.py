"""Models at work: cards, runtimes, serving, lifecycle. Floors above give it features and take its results."""
