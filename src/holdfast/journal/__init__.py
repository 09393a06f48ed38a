"""What must survive a power cut, in order."""
