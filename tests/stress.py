"""Runs the suite several times, each in another random order, beside busy processes: `make stress`.

A test that passes only on an idle machine, or only after certain others, fails here. Each run prints its seed, which
`--runs 1 --seed SEED` repeats. Arguments after `--` go to pytest.
"""

import argparse
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SPIN = "while True: pass"


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """So many processes that do nothing but take a core each, until left."""
    running = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--busy", type=int, default=2, help="processes that each take a core")
    parser.add_argument("--workers", default="2", help="of pytest-xdist")
    parser.add_argument("--seed", type=int, help="of the first run; drawn at random if not given")
    parser.add_argument("pytest", nargs="*", help="arguments for pytest")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.randrange(2**31)
    shuffled = ["-p", "randomly", "--randomly-dont-reset-seed", "--hypothesis-profile=drawn"]
    command = [sys.executable, "-m", "pytest", "-n", given.workers, *shuffled]
    failed = []
    for number in range(seed, seed + given.runs):
        print(f"run {number - seed + 1} of {given.runs}, seed {number}", flush=True)
        with busy(given.busy):
            if subprocess.run([*command, f"--randomly-seed={number}", *given.pytest]).returncode:
                failed.append(number)
    if failed:
        print(f"{len(failed)} of {given.runs} runs failed; seeds: {', '.join(map(str, failed))}")
    else:
        print(f"all of {given.runs} runs passed")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
