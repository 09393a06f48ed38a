"""HTTP as a way for devices and gateways to send: bodies into messages, and answers after the commit."""
