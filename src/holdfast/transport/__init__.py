"""The only door to the network: TLS contexts, HTTP client, TCP servers."""
