"""Does everything look as it did? `bins` has distances, `watch` windows, `limits` alarms, `monitor` all of it."""
