"""The heartbeat of Money on Chain's jobs in CloudWatch: 0 while all are healthy, else 1.

A child of the program sends it (`child` starts it, `__main__` is it), and alone has AWS's library:
whatever CloudWatch does, no job waits for it.
"""
