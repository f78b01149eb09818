"""The product's own proof: a pipeline under a seeded schedule of faults, and a checker that shares nothing with it.

`run.py` drives it. `schedule.py` (what happens when), `events.py` (what each event must become) and `check.py`
(what was found against it) are pure functions; the other modules make faults and look.
"""
