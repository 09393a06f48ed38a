"""This machine as a device: CPU, memory, disk, temperature and load, read through psutil."""
