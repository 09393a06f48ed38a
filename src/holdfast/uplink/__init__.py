"""What to send to the parent next, and when."""
