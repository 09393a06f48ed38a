"""Detectors that say how unusual a reading is, with evidence.

ports:     what every detector takes and gives, and what its users are told about it
catalogue: all of them by name
auto:      one detector for every series, without settings; views: what it looks at
points:    single readings far off (zscore, mad, rate); charts: lasting changes of the mean (ewma, cusum, page_hinkley);
presence:  what doesn't happen (stuck, missing); habits: the series' own limits, which all of these share
benches/:  how good they are on labelled data
"""
