"""Ports for servers that crash and come back: below those that a system gives to outgoing connections. And who has connections open.

Linux gives from 32768 on, macOS and Windows from 49152 on. A port from there may be taken by somebody's connection while its server is
down, and then the server cannot come back (measured, once in some hundred crashes).
"""

import os
import socket
import sys
from pathlib import Path

FIRST, COUNT = 20_000, 12_000


def quiet_port(seed: int) -> int:
    """A free port; different seeds get different ones. A soak takes four for each of its seeds, from 0 on.

    Of two soaks at a time each begins elsewhere: what looks free may belong to a server of the other one that is down.
    """
    for step in range(COUNT):
        port = FIRST + (seed + 360 * os.getppid() + 997 * step) % COUNT
        with socket.socket() as probe:
            if sys.platform != "win32":  # there it means something else
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


def refused(port: int) -> bool:
    """Can nobody connect there?"""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def connections() -> int:
    """How many TCP sockets this process has open, where the system tells (Linux)."""
    table, own = Path("/proc/self/net/tcp"), Path("/proc/self/fd")
    if not table.exists():
        return 0
    inodes = {f"socket:[{line.split()[9]}]" for line in table.read_text(encoding="ascii").splitlines()[1:]}
    return sum(_target(each) in inodes for each in own.iterdir())


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:  # closed meanwhile
        return ""
