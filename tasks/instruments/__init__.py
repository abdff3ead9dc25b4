"""What each process counts of its own, for ``/metrics``: requests, streams, lines, its
memory; and how the process that is asked gets what the others have counted.

What is true of all processes, such as how many tasks wait, is read from the database
instead: tasks.api.metrics.
"""
