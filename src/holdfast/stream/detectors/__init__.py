"""Detectors that say how unusual a reading is, with evidence.

ports:     what every detector takes and gives, and what its users are told about it
catalogue: all of them by name
auto:      one detector for every series, without settings; views: what it looks at
benches/:  how good they are on labelled data
"""
