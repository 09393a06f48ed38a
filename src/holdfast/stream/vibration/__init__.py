"""What raw acceleration says of a machine: levels, spectra, and the fault of a rolling bearing. Pure, numpy only."""
