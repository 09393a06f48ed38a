"""Detectors judged on labelled data that lies in a folder."""
