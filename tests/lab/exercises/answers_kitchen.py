"""Answers to the exercise of lesson 01: the solution, the stub, and typical mistakes.

Each is a function that makes the handler, as running its cell does: a lock belongs to the loop on which it was first waited for.
"""

import asyncio
import collections


def solution():
    locks = collections.defaultdict(asyncio.Lock)

    async def my_cook(sid, dish, make):
        async with locks[sid]:
            await make(dish)

    return my_cook


def another_solution():
    """As in the lesson: a queue and a worker for each client."""
    queues, workers = {}, {}

    async def work(queue):
        while True:
            dish, make, done = await queue.get()
            await make(dish)
            done.set()

    async def my_cook(sid, dish, make):
        if sid not in queues:
            queues[sid] = asyncio.Queue()
            workers[sid] = asyncio.create_task(work(queues[sid]))
        done = asyncio.Event()
        queues[sid].put_nowait((dish, make, done))
        await done.wait()

    return my_cook


def stub():
    async def my_cook(sid, dish, make):
        raise NotImplementedError("call await make(dish), so that one client's dishes are finished in its order.")

    return my_cook


def one_lock():
    """The one that the cell above shows: in order, but everybody waits for everybody."""
    lock = asyncio.Lock()

    async def my_cook(sid, dish, make):
        async with lock:
            await make(dish)

    return my_cook


def nothing():
    """Handlers begin in order, so they must finish in order."""

    async def my_cook(sid, dish, make):
        await make(dish)

    return my_cook


def a_lock_for_each_dish():
    """The right tool with the wrong key."""
    locks = collections.defaultdict(asyncio.Lock)

    async def my_cook(sid, dish, make):
        async with locks[dish]:
            await make(dish)

    return my_cook


def a_new_lock_each_time():
    """A lock that nobody else has."""

    async def my_cook(sid, dish, make):
        async with asyncio.Lock():
            await make(dish)

    return my_cook


def lock_released_too_early():
    """Guards the beginning, not the making."""
    locks = collections.defaultdict(asyncio.Lock)

    async def my_cook(sid, dish, make):
        async with locks[sid]:
            making = asyncio.create_task(make(dish))
        await making

    return my_cook


def does_not_wait():
    """Hands the dish to a worker, and returns before it is made."""
    queues, workers = {}, {}

    async def work(queue):
        while True:
            dish, make = await queue.get()
            await make(dish)

    async def my_cook(sid, dish, make):
        if sid not in queues:
            queues[sid] = asyncio.Queue()
            workers[sid] = asyncio.create_task(work(queues[sid]))
        queues[sid].put_nowait((dish, make))

    return my_cook


def newest_first():
    """A stack in place of a queue: right for one dish, and for two."""
    waiting, busy = collections.defaultdict(list), set()

    async def my_cook(sid, dish, make):
        if sid in busy:
            turn = asyncio.Event()
            waiting[sid].append(turn)
            await turn.wait()
        busy.add(sid)
        await make(dish)
        busy.discard(sid)
        if waiting[sid]:
            waiting[sid].pop().set()

    return my_cook


def two_at_a_time():
    """A semaphore of two, so that bob gets in: right until one client has two dishes."""
    places = asyncio.Semaphore(2)

    async def my_cook(sid, dish, make):
        async with places:
            await make(dish)

    return my_cook


FIRST = "alice orders pizza; while the pizza is in the oven, bob orders coffee"
SECOND = "alice orders pizza, soup"

WRONG = {
    one_lock: FIRST,
    nothing: SECOND,
    a_lock_for_each_dish: SECOND,
    a_new_lock_each_time: SECOND,
    lock_released_too_early: SECOND,
    does_not_wait: FIRST,
    newest_first: "alice orders pizza, soup, tea",
    two_at_a_time: SECOND,
}
"""The case that breaks each of them."""
