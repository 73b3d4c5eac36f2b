"""Which rules a client works with: its options, checked, made into an outbox."""

from collections.abc import Callable
from pathlib import Path

from realtime_lab.errors import InvalidSetting
from realtime_lab.net.client_store import ClientStore
from realtime_lab.net.keeper import Keeper, MemoryKeeper, NoKeeper, StoreKeeper
from realtime_lab.net.outbox import Outbox
from realtime_lab.net.packets import Observer
from realtime_lab.rules.faults import seconds
from realtime_lab.rules.retry import MAX_WINDOW, Retry, RetryRule
from realtime_lab.rules.send_buffer import SendBuffer

Retries = float | Callable[[], RetryRule] | None
"""How often an event is sent again; or what makes a retry rule of your own."""


def outbox(
    *,
    ack_timeout: float | None,
    send_buffer: bool | None,
    buffer_limit: int,
    buffer_limit_bytes: int,
    max_age: float | None,
    retries: Retries,
    window: int | None,
    batch: bool,
    delay: float,
    delay_max: float,
    store: ClientStore | None,
    observe: Observer,
) -> Outbox:
    """The outbox for these options of `Client`. Raises InvalidSetting."""
    ack_timeout = None if ack_timeout is None else seconds("ack_timeout", ack_timeout)
    if retries is not None and not ack_timeout:
        raise InvalidSetting("retries= needs ack_timeout=, more than 0: without it nobody knows when to try again.")
    keeps = retries is not None if send_buffer is None else send_buffer
    buffer = SendBuffer(on=keeps, limit=buffer_limit, limit_bytes=buffer_limit_bytes, max_age=max_age, tombstones=retries is not None)
    window = (MAX_WINDOW if batch else 1) if window is None else window
    delays = {"delay": delay, "delay_max": delay_max}
    retry: RetryRule | None = None
    if callable(retries):
        retry = retries()
    elif retries is not None:
        retry = Retry(retries=retries, ack_timeout=ack_timeout or 0, window=window, **delays)
    keeper: Keeper = NoKeeper() if retries is None else MemoryKeeper() if store is None else StoreKeeper(store)
    return Outbox(buffer, retry, keeper, paced=keeps, ack_timeout=ack_timeout, batch=batch, observe=observe)


def store_at(path: str | Path | None, *, retries: Retries, replay: bool) -> ClientStore | None:
    """The store of a client with these options, if it wants one. Raises InvalidSetting."""
    if path is None:
        return None
    if retries is None and not replay:
        raise InvalidSetting(
            "store= needs retries= or replay=True: without acknowledgements nobody knows when a stored event may be forgotten, and without "
            "replay there is no offset to keep."
        )
    return ClientStore(path)
