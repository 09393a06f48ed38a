"""When an alert is raised and cleared."""
