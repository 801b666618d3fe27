"""The entry point of the scripts `agent` and `longread`, and of `python -m longread`.

It handles signals before it imports anything else: Ctrl-C or SIGTERM during the imports ends in one line, too.
"""

import sys


def main() -> None:
    """Run the command line. Ctrl-C ends it with exit code 130 and SIGTERM with 143, after one line on standard error.

    SIGTERM raises SystemExit, so that `with` blocks are left properly: conversations are recorded, processes stopped.
    """
    code: object = 0
    handled = []
    try:
        import signal

        # Functions even where nothing changes: Qwen-Agent's import replaces SIG_DFL and SIG_IGN, but calls a function.
        for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, _terminate)):
            if signal.getsignal(number) is signal.SIG_IGN:  # as a shell does for Ctrl-C in the background
                signal.signal(number, lambda *_: None)
            else:
                signal.signal(number, handler)
                handled.append(number)
        sys.unraisablehook = _signal_again
        from longread.agent.cli import app

        app.main()
    except KeyboardInterrupt:
        code = 130
    except SystemExit as end:
        code = end.code
    finally:
        import signal

        for number in handled:  # there is nothing left to clean up: a signal may now simply end the process
            signal.signal(number, signal.SIG_DFL)
    if sys.stderr and code in (130, 143):
        print("interrupted" if code == 130 else "terminated", file=sys.stderr)
    sys.exit(code)  # type: ignore[arg-type]


def _terminate(number: int, _: object) -> None:
    import signal

    signal.signal(number, signal.SIG_DFL)  # a second one ends the process at once
    raise SystemExit(128 + number)


def _signal_again(unraisable: "sys.UnraisableHookArgs") -> None:
    """Repeat a signal that arrived where Python ignores exceptions, such as a callback of the import system."""
    import signal
    import threading

    error = unraisable.exc_value
    if isinstance(error, KeyboardInterrupt):
        number = signal.SIGINT
    elif isinstance(error, SystemExit) and error.code == 128 + signal.SIGTERM:
        number = signal.SIGTERM
        signal.signal(number, _terminate)
    else:
        sys.__unraisablehook__(unraisable)
        return
    # After a moment, when the main thread, which runs the handlers of signals, has left that place.
    threading.Timer(0.01, signal.raise_signal, [number]).start()


if __name__ == "__main__":
    main()
