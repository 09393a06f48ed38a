"""Detectors that say how unusual a reading is, with evidence.

ports:     what every detector takes and gives, and what its users are told about it
catalogue: all of them by name
for every series, without settings
  auto:    leaves what it was; views: what it looks at
  novelty: where it has not been; either: both as one; incidents: one alarm of each trouble
classical, of one series
  points:  single readings far off (zscore, mad, rate); charts: lasting changes of the mean (ewma, cusum, page_hinkley);
  presence: what doesn't happen (stuck, missing); habits: a clock and the series' own limits, which all of these share
of form, of one series (`forest` of several, too)
  seasonal, bocpd, adwin, discord, spectral, forest: see there
  baselines: mean, deviation and noise of a series, for all of these; tails: how rare a number is in it
of several columns
  joint (and `turn`), mahalanobis, pca; columns: how each column behaves; moments: their mean and covariance
traits:    which detectors a series speaks for; trials: what they said of the past, judged by labels
benches/:  how good they are on labelled data
"""
