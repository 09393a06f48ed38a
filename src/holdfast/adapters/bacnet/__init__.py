"""BACnet/IP (ASHRAE 135, ISO 16484-5): reads, hears and writes what building controllers hold."""
