"""CoAP (RFC 7252): devices push to this node, and this node observes, polls and writes devices that are servers.

    settings   what node.yaml says                       bodies   block-wise uploads, bounded          (pure)
    paths      a request's path as a topic      (pure)   gate     who may send, and how fast           (pure)
    values     a payload as values of points    (pure)   fresh    which notification is news           (pure)
    endpoint   aiocoap, bounded: the only module but `devices` that knows its insides
    server     requests to arrivals, receipts to answers
    devices    one task a device: observe, else poll; writes

`adapter` is what the node is given. Nothing here imports aiocoap but `endpoint`, `server` and `exchange`, and these are
imported only when a link is on: a node without CoAP doesn't need it installed.
"""
