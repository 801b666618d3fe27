"""Run `agent`, and find out what a signal does at many points of its start-up.

    python signals_at_imports.py SIGNAL EVERY REPORT ARGUMENT...

At every so many imports of the main thread a copy of the process is forked and receives the signal; the process itself
goes on. REPORT is a JSON list of (imported module, exit status of the copy, what the copy wrote to standard error).
"""

import json
import os
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

NUMBER, EVERY, REPORT = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
PROCESS = os.getpid()


class Finder:
    """Finds nothing, but is called at each import."""

    def __init__(self) -> None:
        self.imports = 0
        self.outcomes: list[tuple[str, int, str]] = []

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        self.imports += 1
        if self.imports % EVERY:
            return
        with tempfile.TemporaryFile() as errors:
            if not (copy := os.fork()):
                sys.meta_path.remove(self)  # type: ignore[arg-type]
                os.dup2(errors.fileno(), 2)
                os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
                signal.raise_signal(NUMBER)
                return  # not reached, unless the signal was ignored
            status = os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1])
            errors.seek(0)
            self.outcomes.append((name, status, errors.read().decode()))


finder = Finder()
sys.argv = ["agent", *sys.argv[4:]]

from longread.__main__ import main  # noqa: E402  its own imports are before the first statement that can be guarded

sys.meta_path.insert(0, finder)  # type: ignore[arg-type]
try:
    main()
finally:
    if os.getpid() == PROCESS:
        REPORT.write_text(json.dumps(finder.outcomes), encoding="utf-8")
