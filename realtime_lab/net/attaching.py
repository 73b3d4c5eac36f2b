"""What an application's own python-socketio server has to be like, so that a `Server` can be attached to it."""

from typing import Any

import socketio
from socketio import packet

from realtime_lab.errors import InvalidSetting
from realtime_lab.net.packets import StrictPacket
from realtime_lab.net.reading import server_reads_on


def attachable(sio: Any) -> Any:
    """The server, made to read its peers' packets as strictly as our own does. Raises InvalidSetting."""
    if not isinstance(sio, socketio.AsyncServer):
        raise InvalidSetting(f"attach({sio!r}): give a socketio.AsyncServer.")
    if taken := list(sio.handlers.get("/", {})):
        raise InvalidSetting(f"this AsyncServer has its own handler for {', '.join(map(repr, taken))}. Register it with server.on(...).")
    if "/" in sio.namespace_handlers:
        raise InvalidSetting('this AsyncServer has its own class for the namespace "/". Register its handlers with server.on(...).')
    if sio.always_connect:
        raise InvalidSetting("this AsyncServer accepts before it asks. Make it with always_connect=False.")
    if sio.packet_class is not packet.Packet and not issubclass(sio.packet_class, StrictPacket):
        raise InvalidSetting(
            f"this AsyncServer reads packets with {sio.packet_class.__qualname__}: by an event named "
            '"disconnect" a peer could call lifecycle handlers. Leave serializer= out.'
        )
    sio.packet_class = sio.packet_class if issubclass(sio.packet_class, StrictPacket) else StrictPacket
    return server_reads_on(sio)
