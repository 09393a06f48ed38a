"""Residency: data that must stay, stays; and what may leave in its place.

`rules` says which series stay how far, `leaving` sorts a commit's rows and events accordingly, `aggregates` makes the
permitted sums of groups, `report` shows from the journal's register what left and why. `service` is the only one that
awaits.
"""
