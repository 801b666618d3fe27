"""The lock of the engine: waiting, abandoned holders, and long steps."""

import threading
from collections.abc import Callable

import pytest

from longread.serving.embedded import fair_lock
from longread.serving.embedded.fair_lock import FairLock
from tests.support.waiting import wait_until


def on_waiting(queue: FairLock, call: Callable[[bool], object]) -> None:
    """Call `call` when somebody starts to wait (False), and when a wait ends without a change (True)."""
    wait = queue._changed.wait

    def waiting(timeout: float | None = None) -> bool:
        call(False)
        moved = wait(timeout)
        if not moved:
            call(True)
        return moved

    queue._changed.wait = waiting  # type: ignore[method-assign]


def test_the_holder_keeps_its_turn_between_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fair_lock, "IDLE_SECONDS", 3600.0)
    queue, me, order, waits = FairLock(), object(), [], threading.Event()
    on_waiting(queue, lambda _: waits.set())

    def other() -> None:
        with queue.step(other) as fresh:
            order.append(("other", fresh))
        queue.leave(other)

    with queue.step(me) as fresh:
        order.append(("me", fresh))
        thread = threading.Thread(target=other)
        thread.start()
    waits.wait()
    with queue.step(me) as fresh:
        order.append(("me", fresh))
    queue.leave(me)
    thread.join()
    assert order == [("me", True), ("me", False), ("other", True)]


def test_a_forgotten_holder_is_passed_over_and_told_when_it_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fair_lock, "IDLE_SECONDS", 0.05)
    queue, forgotten, me = FairLock(), object(), object()
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
    monkeypatch.setattr(fair_lock, "IDLE_SECONDS", 0.05)
    queue, inside, in_vain = FairLock(), [], []
    on_waiting(queue, lambda waited: in_vain.append(waited) if waited else None)

    def work(name: str) -> None:
        with queue.step(name):
            inside.append(name)
        queue.leave(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    with queue.step("long"):
        for thread in threads:
            thread.start()
        wait_until(lambda: len(in_vain) > 10 or inside)
        assert inside == []
    queue.leave("long")
    for thread in threads:
        thread.join()
    assert sorted(inside) == ["a", "b", "c"]


def test_the_turn_ends_with_an_error_in_it() -> None:
    queue = FairLock()
    with pytest.raises(KeyError), queue.step("a"):
        raise KeyError
    queue.leave("a")
    with queue.step("b") as fresh:
        assert fresh
