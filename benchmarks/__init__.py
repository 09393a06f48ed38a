"""Benchmarks: `make bench`. Figures are quoted as ratios from one run, medians of several; see docs/performance.md."""
