"""The life of models at one site: states, routing, shadows, drift, falling back, labels. Pure but for `service`.

Read in this order: `states` (who may become what), `routing` (which version serves which device), `lifecycle` (the
whole of one deployment), `pairing` and `comparing` with `significance` (is the new one better?), `drift/` (do inputs,
predictions and errors look as they did?), `guarding` (when nobody waits for a person), `labels`, `service` (keeps it).
"""
