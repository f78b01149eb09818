"""An event that kills the process: found by the deaths it leaves behind, tried apart, dead-lettered unread.

    watch.py    counts deaths in the group's committed offsets; cuts suspect batches
    trial.py    the suspects before a process of their own: who kills it, alone and twice, is guilty
    child.py    that process
    memory.py   how much memory it may take, so that it dies before the worker does

The argument is in docs/dead-letters.md.
"""
