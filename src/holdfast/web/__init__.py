"""JSON API and pages over the rooms' query methods."""
