import threading
import time

import pytest

from longread.serving import turns
from longread.serving.turns import Turns


def test_the_holder_keeps_its_turn_between_steps() -> None:
    queue, me, order = Turns(), object(), []

    def other() -> None:
        with queue.step(other) as fresh:
            order.append(("other", fresh))
        queue.leave(other)

    with queue.step(me) as fresh:
        order.append(("me", fresh))
        thread = threading.Thread(target=other)
        thread.start()
    time.sleep(0.1)
    with queue.step(me) as fresh:
        order.append(("me", fresh))
    queue.leave(me)
    thread.join(5)
    assert order == [("me", True), ("me", False), ("other", True)]


def test_a_forgotten_holder_is_passed_over_and_told_when_it_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "IDLE_SECONDS", 0.05)
    queue, forgotten, me = Turns(), object(), object()
    with queue.step(forgotten):
        pass
    with queue.step(me) as fresh:
        assert fresh
    queue.leave(forgotten)  # it has no turn to give up
    with queue.step(me) as fresh:
        assert not fresh
    with queue.step(forgotten) as displaced:
        assert displaced


def test_a_long_step_is_not_taken_for_a_forgotten_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "IDLE_SECONDS", 0.05)
    queue, inside, overlaps = Turns(), [], []

    def work(name: str) -> None:
        with queue.step(name):
            inside.append(name)
            time.sleep(0.3)
            overlaps.append(len(inside))
            inside.remove(name)
        queue.leave(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert overlaps == [1, 1, 1]


def test_the_turn_ends_with_an_error_in_it() -> None:
    queue = Turns()
    with pytest.raises(KeyError), queue.step("a"):
        raise KeyError
    queue.leave("a")
    with queue.step("b") as fresh:
        assert fresh
