"""How python-socketio reads the packets of a peer: one that goes wrong must not take those behind it with it.

Bytes belong to the packet that has announced them. If that one is not finished, because a text comes first or because its bytes fit in
nowhere, python-socketio goes on to take everything that follows for its bytes, and refuses all of it (measured). So a text ends it here.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any


def read_on(sio: Any, forget: Callable[..., object]) -> None:
    """`forget` is called with what a message comes with beside its data: at a server the id of the connection, at a client nothing."""
    read: Callable[..., Any] = sio._handle_eio_message

    @wraps(read)
    async def message(*arguments: Any) -> None:
        *whose, data = arguments
        if isinstance(data, str):
            forget(*whose)
        await read(*arguments)

    sio.eio.on("message", message)


def server_reads_on(sio: Any) -> Any:
    """The server, made so."""
    read_on(sio, lambda eio_sid: sio._binary_packet.pop(eio_sid, None))
    return sio


def client_reads_on(sio: Any) -> Any:
    """The client, made so."""
    read_on(sio, lambda: setattr(sio, "_binary_packet", None))
    return sio
