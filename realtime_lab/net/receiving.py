"""What a client does with what it is sent: plain events go to their handlers as they come; with `replay`, stored ones in order."""

import asyncio
from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager
from typing import Any

from realtime_lab.errors import InvalidSetting
from realtime_lab.net.arrived import Arrived, Heard, Packet
from realtime_lab.net.client_store import Effects
from realtime_lab.net.connection import Connection
from realtime_lab.net.envelope import BATCH, SESSION, offset_of, says_batch, unseal_session
from realtime_lab.net.handlers import Handlers, Register
from realtime_lab.net.incoming import Incoming
from realtime_lab.net.packets import Observer, brief
from realtime_lab.rules.replay import Session


class Receiving(ABC):
    """The receiving half of `Client`."""

    def __init__(self, observe: Observer) -> None:
        self._observe = observe
        self._handlers = Handlers()
        self._incoming: Incoming | None = None
        """None: without replay."""
        self._received = 0
        self._running: set[asyncio.Task[Any] | None] = set()

    def on(self, event: str) -> Register:
        """Decorator: call the function with the arguments of each event of this name.

        Also "connect" (), "disconnect" (reason), and "session" (a dict with epoch, offset, recovered and reason) when the server has said
        where this client stands in its log; with replay the next stored event waits until that handler has returned.

        A stored event without data calls the function without an argument, as one that was emitted; a tuple arrives as one list.
        """
        return self._handlers.register(event)

    @property
    def session(self) -> Session | None:
        """What the server has said last about where this client stands in its log; None before that, and without replay."""
        return self._incoming.session if self._incoming else None

    @property
    def recovered(self) -> bool | None:
        """Does it get everything that it missed? False: `client.session.reason` says why not. None: nobody has said yet."""
        return self.session.recovered if self.session else None

    @property
    def offset(self) -> int | None:
        """The offset of the last stored event that was handled, or where it began; None before the first session, and without replay."""
        position = self._incoming.position if self._incoming else None
        return position.offset if position else None

    @property
    def halted(self) -> int | None:
        """The offset of the event whose handler has raised every time, so that the client goes no further; else None."""
        return self._incoming.halted if self._incoming else None

    def resume(self) -> None:
        """Try again what it halted at. Nothing happens if it is not halted. Raises InvalidSetting without replay."""
        self._replaying("resume()").resume()

    def skip(self, offset: int) -> None:
        """Go on without the event that it halted at. Raises UnknownFault if that is another one, InvalidSetting without replay."""
        self._replaying("skip()").skip(offset)

    def transaction(self) -> AbstractAsyncContextManager[Effects]:
        """Inside a handler of a stored event: `async with client.transaction() as tx: await tx.execute("INSERT ...", values)`.

        The application's tables in the client's store and the offset of this event are committed together, so what is done here is done
        once, whatever crashes. Do not wait for a delivery inside: it may need the store too. Raises InvalidSetting without a store,
        outside of a handler and for a second time in one; StoreInUse, StoreFailed; and what the block raises, after undoing it.
        """
        return self._replaying("transaction()").transaction()

    async def _receive(self, connection: Connection, index: int, event: str, arguments: tuple[Any, ...]) -> Any:
        """Called for every event of a connection, side by side."""
        if event == BATCH and self._incoming is not None and connection.batches:
            return await self._incoming.batch(Packet(connection.sid, index), arguments) if not connection.gone.done() else None
        session = unseal_session(arguments) if event == SESSION else None
        offset = offset_of(arguments) if self._incoming is not None else None
        if session is None and offset is None:
            return await self._plain(connection, index, event, arguments)
        if session is not None and not connection.gone.done():
            self._greeted(connection, batches=says_batch(arguments))
        if self._incoming is None:
            self._handlers.call_soon(SESSION, *arguments)
        elif connection.gone.done():
            pass  # what came before it was forgotten, so this has to come again too
        elif session is not None:
            self._incoming.told(Heard(session.epoch, session.offset, session.reason, connection.sid, index))
        elif offset is not None:
            await self._incoming.arrived(Arrived(offset, event, arguments[0]["data"], Packet(connection.sid, index)))
        return None

    async def _plain(self, connection: Connection, index: int, event: str, arguments: tuple[Any, ...]) -> Any:
        number = self._next_reception()
        place = {"sid": connection.sid, "index": index, "offset": offset_of(arguments) or -1}
        self._observe("received", message=number, event=event, text=brief(arguments[0] if arguments else None), **place)
        task = asyncio.current_task()
        self._running.add(task)
        try:
            return await self._handlers.call(event, arguments, lambda kind, why: self._observe(kind, message=number, reason=why))
        finally:
            self._running.discard(task)

    @abstractmethod
    def _greeted(self, connection: Connection, *, batches: bool) -> None:
        """The server has said where this client stands, and whether it understands batches."""

    def _kill_handlers(self) -> None:
        """As the end of a process does, but not the one that asks for it. Those of stored events are ended by `Incoming.close`."""
        for task in self._running - {asyncio.current_task()}:
            if task is not None:
                task.cancel("the client ended")

    def _next_reception(self) -> int:
        self._received += 1
        return self._received

    @property
    def _handling(self) -> bool:
        """Has a handler not returned yet? What is halted waits."""
        return bool(self._running) or (self._incoming is not None and not self._incoming.idle)

    def _replaying(self, what: str) -> Incoming:
        if self._incoming is None:
            raise InvalidSetting(f"{what} is about stored events, and this client has no replay. Make it with replay=True.")
        return self._incoming
