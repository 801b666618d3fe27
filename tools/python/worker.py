"""The process that runs a model's code: `python -I worker.py STATUS`, with the request on standard input.

The request is a JSON object: code, layers (which of `sandbox.LAYERS` to set up), network ("required" or "best-effort"),
and limits: CPU seconds, bytes of memory, bytes of a file, and open files. Before the code runs, the JSON object
{"missing": {name: reason}, "network": bool} is written to the file descriptor STATUS. "network" is whether the
kernel cuts off the network; if it does not, and network is "required", the code does not run.

Run by path, and with the standard library only: longread does not have to be importable, or readable, in this process.
"""

import ast
import contextlib
import importlib.util
import json
import linecache
import os
import resource
import sys
import sysconfig
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

_NAME = "<code>"
_SYSTEM = (
    *("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib"),  # shared libraries
    *("/usr/share/zoneinfo", "/etc/localtime", "/etc/ld.so.cache", "/dev/urandom"),
)
_AUDITED = ("socket.", "subprocess.", "os.fork", "os.posix_spawn", "os.exec", "os.spawn", "os.system", "os.kill")


def main() -> None:
    request = json.load(sys.stdin)
    missing = _limit(request["limits"])
    missing |= _sandbox().confine(os.getcwd(), _readable(), request["layers"])
    network = not {"namespace", "seccomp"} <= missing.keys()
    with os.fdopen(int(sys.argv[1]), "w") as status:
        json.dump({"missing": missing, "network": network}, status)
    if not network:
        if request["network"] != "best-effort":
            return
        sys.addaudithook(_refuse)
    if "seccomp" in missing:  # which forbids processes altogether
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")  # pyright: ignore[reportAttributeAccessIssue]
    sys.argv = [_NAME]
    sys.exit(_run(request["code"], request["limits"]["memory"]))


def _run(code: str, memory: int) -> int:
    lines = [f"{line}\n" for line in code.splitlines()]  # `traceback` expects each line to end in a newline
    linecache.cache[_NAME] = (len(code), None, lines, _NAME)
    module = ModuleType("__main__")
    sys.modules["__main__"] = module
    try:
        body, last = _parse(code)
        exec(body, module.__dict__)
        if last is not None:
            value = eval(last, module.__dict__)
            if value is not None:
                _show_tables_whole()
                print(repr(value))
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code)
        return 0 if end.code is None else 1
    except BaseException as error:
        _explain(error, memory)
        return 1
    return 0


def _parse(code: str) -> tuple[Any, Any]:
    """Compile the code: all but the last expression, and the last expression, whose value is printed."""
    tree = ast.parse(code, _NAME)
    last = None
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        expression = tree.body.pop()
        assert isinstance(expression, ast.Expr)
        last = compile(ast.Expression(expression.value), _NAME, "eval")
    return compile(tree, _NAME, "exec"), last


def _show_tables_whole() -> None:
    pandas = sys.modules.get("pandas")
    if pandas is not None:  # by default it leaves out columns in the middle, for a terminal of 80 characters
        with contextlib.suppress(Exception):
            pandas.set_option("display.max_columns", None, "display.width", 200, "display.max_rows", 200)


def _explain(error: BaseException, memory: int) -> None:
    """Print the traceback from the model's code on, and what to do about some errors."""
    frames = error.__traceback__
    while frames and frames.tb_frame.f_code.co_filename != _NAME:
        frames = frames.tb_next
    traceback.print_exception(type(error), error, frames, file=sys.stdout)
    if isinstance(error, MemoryError):
        print(f"The code may use {memory >> 20:,} MiB of memory.")
    if isinstance(error, ModuleNotFoundError) and error.name == "pandas":
        print("pandas is not installed here. The user can install it: pip install 'longread[python]'. Or do without.")
    if isinstance(error, PermissionError):
        print("The code may use files in its working directory only, and neither a network nor other processes.")


def _limit(limits: dict[str, int]) -> dict[str, str]:
    """Set the limits; returns a reason for each one that the system does not support."""
    cpu = limits["cpu_seconds"]
    wanted = {
        "cpu_seconds": (resource.RLIMIT_CPU, cpu, cpu + 1),  # the soft limit sends a signal of its own
        "memory": (resource.RLIMIT_AS, limits["memory"], limits["memory"]),
        "file": (resource.RLIMIT_FSIZE, limits["file"], limits["file"]),
        "open_files": (resource.RLIMIT_NOFILE, limits["open_files"], limits["open_files"]),
        "core": (resource.RLIMIT_CORE, 0, 0),
    }
    missing: dict[str, str] = {}
    for name, (limit, soft, hard) in wanted.items():
        most = resource.getrlimit(limit)[1]
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        try:
            resource.setrlimit(limit, (soft, hard))
        except (ValueError, OSError) as error:
            missing[name] = str(error)
    return missing


def _readable() -> list[str]:
    """The folders of this Python and its packages, and the system's shared libraries."""
    paths = sysconfig.get_paths()
    own = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    return [*own, os.path.join(sys.base_prefix, "lib"), *_SYSTEM]


def _refuse(event: str, _: Any) -> None:
    if event.startswith(_AUDITED):
        raise PermissionError(f"not allowed here: {event}")


def _sandbox() -> Any:
    """Import sandbox.py from the folder of this file, which is not on the path, and must not be."""
    spec = importlib.util.spec_from_file_location("sandbox", Path(__file__).with_name("sandbox.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
