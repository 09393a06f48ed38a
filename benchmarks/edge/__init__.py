"""The edge job, for the black-box harness that compares gateways."""
