"""What is under a connection: the Engine.IO socket, and what TCP offers beyond asyncio (a reset, and how much is still on its way)."""

import asyncio
import contextlib
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any

from socketio import packet

from realtime_lab.net.packets import StrictPacket

TCP_CLOSE = 7
"""tcp(7): the state of a connection that is over (linux/tcp_states.h)."""


def engine_socket(sio: Any, sid: str) -> Any:
    """The Engine.IO socket of a connection to a python-socketio server; None if it has ended."""
    return sio.eio.sockets.get(sio.manager.eio_sid_from_sid(sid, "/"))


async def listening(accepted: Callable[[], asyncio.BaseProtocol], **where: Any) -> asyncio.Server:
    """As `loop.create_server`, which goes on listening if it is cancelled in its last step (measured)."""
    making = asyncio.ensure_future(asyncio.get_running_loop().create_server(accepted, **where))
    try:
        return await asyncio.shield(making)
    except asyncio.CancelledError:
        await asyncio.wait({making})
        if making.exception() is None:
            making.result().close()
        raise


class _Encoded(StrictPacket):
    """An event whose arguments are JSON already."""

    def encode(self) -> str:
        return f"{self.packet_type}{self.id}{self.data}"


async def send_encoded(sio: Any, sid: str, arguments: str, answered: Callable[..., object]) -> None:
    """As `sio.emit` with a callback, for arguments that were encoded once for many; python-socketio would encode them for each."""
    eio_sid = sio.manager.eio_sid_from_sid(sid, "/")
    if eio_sid is not None:
        await sio._send_packet(eio_sid, _Encoded(packet.EVENT, data=arguments, id=sio.manager._generate_ack_id(sid, answered)))


def reset(transport: asyncio.Transport) -> None:
    """Close with RST: SO_LINGER with a zero timeout (socket(7))."""
    linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
    with contextlib.suppress(OSError):  # already closed by the peer
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()


def unsent(transport: asyncio.Transport) -> int:
    """Bytes that the other side's kernel does not have yet: in asyncio's buffer and, where the system tells (Linux), in the socket's."""
    waiting = transport.get_write_buffer_size()
    if sys.platform == "linux":
        import fcntl  # noqa: PLC0415  # not there on Windows
        import termios  # noqa: PLC0415

        sock = transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            if sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == TCP_CLOSE:
                return 0  # the peer has reset it: nothing is on its way any more
            waiting += int(struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"))[0])
    return waiting
