"""Where a running node leaves the token of its own machine, for the command line; mode 0600, new at every start."""

LOCAL_FILE = "local.token"
