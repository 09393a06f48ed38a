"""`holdfast top`: a node's overview on a terminal, over ssh.

`look` asks the node, `trends` makes rates of its counters, `state` says what a key does, `paint` and the modules of the
views draw, `terminal` holds the terminal and gives it back as it was, `run` lets them work together.
"""
