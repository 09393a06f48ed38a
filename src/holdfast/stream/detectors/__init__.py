"""Detectors that say how unusual a reading is, with evidence; and how good they are on labelled data.

auto:  one detector for every series, without settings
views: what `auto` looks at
nab:   the Numenta Anomaly Benchmark's rules of scoring
"""
