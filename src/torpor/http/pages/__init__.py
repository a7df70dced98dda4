"""
Pages for a browser, over the same routes, roles and service as the rest of the front door.

::

    rendering.py    templates, and what they may call
    words.py        values, times and what a run waits for, as a page says them
    picture.py      a run's story as bars on a scale of time
    runs.py         the list of runs
    run.py          one run
    travel.py       one run at any moment of its past
    prompt.py       code that is entered there, into a copy
    travellers.py   the VMs for that, kept for a while
    world.py        what waits for whom, workers, queues, schedules, deployments
    acting.py       what forms do
    entering.py     who comes in
    live.py         when a page has become old
    files.py        style sheet and scripts

Pages work without scripts; those make them live. Nothing in a page is written by a run: texts are escaped by the
templates, and no script and no style stands in a page (docs/adr/0069).
"""
