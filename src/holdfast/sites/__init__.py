"""Where nodes stand and how they are, told up the tree: what a hub shows of its sites."""
