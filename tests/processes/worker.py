"""
A process for a supervisor that does no work: ``worker.py FOLDER … --line FD``.

Each writes its id into the folder as it begins, and obeys the files there: ``refuse`` (end with the code in it before
work begins), ``alone``, ``stubborn`` (do not stop), ``crash`` (end as soon as it is at work, with the code in it).
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from torpor.processes.line import Alone, AtWork, ProcessEnd


def main(folder: Path, descriptor: int) -> None:
    """Be at work until the line ends."""
    end = ProcessEnd(descriptor)
    (folder / f"process-{os.getpid()}").touch()
    say(f"process {os.getpid()} begins\n")
    stop = threading.Event()
    end.watch(stop.set)
    if (refusal := folder / "refuse").exists():
        sys.exit(int(refusal.read_text()))
    if (folder / "alone").exists():
        end.tell(Alone("because"))
    say("half a line, ")
    say("and the other half\n")
    end.tell(AtWork(f"wrkr_{os.getpid():0>26}", "deployed", 0.0))
    if (crash := folder / "crash").exists():
        sys.exit(int(crash.read_text()))
    stop.wait()
    while (folder / "stubborn").exists():
        threading.Event().wait(1)


def say(text: str) -> None:
    """Write to standard output at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[-1]))
