"""What is under a connection: the Engine.IO socket, and what TCP offers beyond asyncio (a reset, and how much is still on its way)."""

import asyncio
import contextlib
import socket
import struct
import sys
from typing import Any

TCP_CLOSE = 7
"""tcp(7): the state of a connection that is over (linux/tcp_states.h)."""


def engine_socket(sio: Any, sid: str) -> Any:
    """The Engine.IO socket of a connection to a python-socketio server; None if it has ended."""
    return sio.eio.sockets.get(sio.manager.eio_sid_from_sid(sid, "/"))


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
