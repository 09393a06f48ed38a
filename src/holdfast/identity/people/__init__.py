"""People: who they are, what they may do, and until when they're believed.

`roles` orders what people may do, `book` keeps names, passwords' hashes and links in one file, `sessions` and
`throttle` decide who is believed and who must wait, both without a clock of their own; `service` is the only one that
awaits.
"""
