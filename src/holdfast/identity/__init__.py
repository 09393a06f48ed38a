"""Who a node is: local certificate authority and tokens."""
