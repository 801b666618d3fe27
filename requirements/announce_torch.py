"""Say it before pip fetches the CUDA build of torch, which is several gigabytes.

Asks pip what it would install for a requirements file. Prints nothing where that is a CPU build, or is there already.
"""

import json
import subprocess
import sys

NOTICE = """\
{name} {version}: the package index of this machine has the CUDA build, several gigabytes with its libraries, and pip
fetches it now. For the CPU build, a tenth of that, stop this and add TORCH=cpu: make chat TORCH=cpu"""


def main(requirements: str) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    asked = subprocess.run(
        [*pip, "--dry-run", "--report", "-", "-r", requirements], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    if asked.returncode:
        return  # pip itself says why, when it comes to install
    wanted = [item["metadata"] for item in json.loads(asked.stdout)["install"]]
    if any(one["name"].lower().startswith(("nvidia", "cuda")) for one in wanted):
        torch = next(one for one in wanted if one["name"] == "torch")
        print(NOTICE.format(**torch), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
