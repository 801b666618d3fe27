"""A format whose parser does what its file says: one page a line, "crash", "hang", "memory", "error" or its text.

"hang PATH" makes that file before it hangs, "touch PATH" just so, and "wait PATH" waits for it.
"""

import ctypes
import os
import signal
import time
from pathlib import Path

from longread.agent.corpus.formats import Format, OpenFile, ParseError, ParseOptions, RawPage, SecretNeeded


class FaultyFile(OpenFile):
    lines: list[str]

    def page(self, index: int) -> RawPage:
        return RawPage(str(index + 1), act(self.lines[index]))


class Faulty(Format):
    """Pages one by one, like PDF's; a line "open: crash" does it while the file is being opened."""

    name = "faulty"
    extensions = (".faulty",)
    media_type = "text/x-faulty"
    library = None
    random_access = True

    def open(self, data: bytes, options: ParseOptions) -> OpenFile:
        lines = data.decode().splitlines()
        for line in lines:
            if line.startswith("open: "):
                act(line.removeprefix("open: "))
        file = FaultyFile(len(lines))
        file.lines = lines
        return file


class FaultyWhole(Faulty):
    """The same for a format that is parsed as a whole."""

    name = "faulty whole"
    extensions = (".faultywhole",)
    random_access = False


def act(line: str) -> str:
    what, _, rest = line.partition(" ")
    if what == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif what == "abort":
        os.abort()
    elif what == "exit":
        os._exit(3)
    elif what == "once" and not Path(rest).exists():  # a crash that does not come back
        Path(rest).touch()
        os.abort()
    elif what == "touch":
        Path(rest).touch()
    elif what == "wait":
        while not Path(rest).exists():
            time.sleep(0.01)
    elif what == "hang":
        if rest:
            Path(rest).touch()
        ctypes.PyDLL(None).sleep(600)  # in C, and keeps the GIL: no other thread and no signal handler gets to run
    elif what == "slow":
        time.sleep(float(rest))
    elif what == "memory":
        _ = bytearray(1 << 40)
    elif what == "error":
        raise ZeroDivisionError("integer division or modulo by zero")
    elif what == "parse":
        raise ParseError(rest)
    elif what == "secret":
        raise SecretNeeded("encrypted")
    elif what == "print":
        os.write(1, b"what a library prints\n")
        print(rest)
    return line
