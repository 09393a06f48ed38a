"""Line-oriented instruments on a serial port, or behind a serial server on TCP."""
