"""The process that runs a model's code: `python -I python_worker.py STATUS`, with the request on standard input.

The request is a JSON object: code, walls (which of `confinement.WALLS` to put up), network ("required" or
"best-effort"), and limits: seconds of the processor, bytes of memory, of a file, and open files. Before the code runs,
{"missing": {wall or limit: why}, "network": bool} is written to the descriptor STATUS. "network" says that it is cut
off by the kernel; if not, and with network "required", the code does not run.

Run as a file, and on the standard library only: nothing of longread may have to be importable, or readable, in here.
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
    missing |= _confinement().confine(os.getcwd(), _readable(), request["walls"])
    network = not {"namespace", "seccomp"} <= missing.keys()
    with os.fdopen(int(sys.argv[1]), "w") as status:
        json.dump({"missing": missing, "network": network}, status)
    if not network:
        if request["network"] != "best-effort":
            return
        sys.addaudithook(_refuse)
    if "seccomp" in missing:  # else there are no processes to count
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")  # pyright: ignore[reportAttributeAccessIssue]
    sys.argv = [_NAME]
    sys.exit(_run(request["code"], request["limits"]["memory"]))


def _run(code: str, memory: int) -> int:
    lines = [f"{line}\n" for line in code.splitlines()]  # `traceback` takes it for granted that lines end
    linecache.cache[_NAME] = (len(code), None, lines, _NAME)
    module = ModuleType("__main__")
    sys.modules["__main__"] = module
    try:
        body, last = _parsed(code)
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


def _parsed(code: str) -> tuple[Any, Any]:
    """The code without its last expression, and that expression, whose value is shown."""
    tree = ast.parse(code, _NAME)
    last = None
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        expression = tree.body.pop()
        assert isinstance(expression, ast.Expr)
        last = compile(ast.Expression(expression.value), _NAME, "eval")
    return compile(tree, _NAME, "exec"), last


def _show_tables_whole() -> None:
    pandas = sys.modules.get("pandas")
    if pandas is not None:  # which else leaves out columns in the middle, for a terminal of 80 characters
        with contextlib.suppress(Exception):
            pandas.set_option("display.max_columns", None, "display.width", 200, "display.max_rows", 200)


def _explain(error: BaseException, memory: int) -> None:
    """The traceback from the code on, and what it does not say by itself."""
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
    """Set them; returns why not, for each that the system does not have."""
    cpu = limits["cpu_seconds"]
    wanted = {
        "cpu_seconds": (resource.RLIMIT_CPU, cpu, cpu + 1),  # first a signal that says what it is for
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
    """Where this Python and what is installed for it lie, and the system's shared libraries."""
    paths = sysconfig.get_paths()
    own = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    return [*own, os.path.join(sys.base_prefix, "lib"), *_SYSTEM]


def _refuse(event: str, _: Any) -> None:
    if event.startswith(_AUDITED):
        raise PermissionError(f"not allowed here: {event}")


def _confinement() -> Any:
    """The module of that name beside this file: neither is on the path here, and must not be."""
    spec = importlib.util.spec_from_file_location("confinement", Path(__file__).with_name("confinement.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
