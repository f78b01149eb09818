"""Dead letters, after the fact: read, filtered, counted, sent again, discarded.

families.py    what the headers of a dead letter say, whoever wrote them
columns.py     the same as columns, and the filter over them
resolved.py    what was done with each dead letter: the records of `<dead letters>.resolved`
restoring.py   a dead letter back to the event it was, or why it stays
letters.py     the unresolved dead letters of a pipeline, chunk by chunk
work.py        replay and discard: one transaction a batch, resumable, never twice
counts.py      what `dlq list` and a dry run show
sight.py       one dead letter as far as any decoder gets
"""
