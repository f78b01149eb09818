"""The comparison with peers on one machine. `make bench`; README.md says how it is done."""
