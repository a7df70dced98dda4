"""
Several processes that do the same work, and the one that looks after them. This room knows nothing of runs and worlds.

::

    cores.py        how many processes this machine has room for
    line.py         how a process and its supervisor hear of one another
    restarts.py     when a process that has ended is started again, and when it is given up
    supervisor.py   starts, watches, replaces and stops processes
"""
