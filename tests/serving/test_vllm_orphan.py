"""Workers end with their engine, even where they would wait for ever for another stage."""

import subprocess
import sys

import psutil

from engines import until
from longread.serving.served import living

WORKER = """
import threading, time
from types import SimpleNamespace
from longread.serving.vllm_plugin import orphan

def sleep(seconds):
    print("looks", flush=True)
    time.sleep(seconds)

orphan.time = SimpleNamespace(sleep=sleep)
orphan.end_with_parent(grace=0.2)
threading.Event().wait()
"""
ENGINE = """
import subprocess, sys
worker = subprocess.Popen([sys.executable, "-c", sys.argv[1]])
print(worker.pid, flush=True)
worker.wait()
"""


def test_a_worker_ends_when_its_engine_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", ENGINE, WORKER], stdout=subprocess.PIPE, text=True) as engine:
        assert engine.stdout is not None
        worker = psutil.Process(int(engine.stdout.readline()))
        began = worker.create_time()
        try:
            assert [engine.stdout.readline() for _ in range(4)] == ["looks\n"] * 4, "it goes on while its engine lives"
            engine.kill()
            engine.wait()
            until(lambda: living(worker.pid, began) is None)
        finally:
            worker.kill()
