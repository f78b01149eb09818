"""Measuring a pipeline on events of one's own: throughput, latency, errors, recovery, memory, CPU.

`measure.py` runs it, on topics and under a pipeline name of its own; the other modules are its parts.
"""
