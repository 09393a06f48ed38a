"""Plant models: what pretend devices measure. Pure, seeded, stepped, vectorised over the devices of a group.

One seed gives the same bits on every machine and for every number of devices: models use +, -, *, /, square roots and
comparisons only (IEEE 754 rounds those exactly, however wide the processor's vectors are), never a library's exp, sin
or log, and draw chance by counting (`chance`), never from a shared stream.
"""
