"""python-socketio's server, which also says whether an acknowledgement was asked for, and when it was sent. It keeps both to itself."""

from contextvars import ContextVar
from typing import Any

import socketio

from realtime_lab.net.gate import Gate
from realtime_lab.net.hosting import MAX_POST
from realtime_lab.net.logger import LOG
from realtime_lab.net.packets import StrictPacket
from realtime_lab.net.reading import server_reads_on

asked: ContextVar[bool] = ContextVar("realtime_lab_asked", default=False)
"""Did the sender of the event that is being handled ask for an acknowledgement?"""


class AcknowledgingServer(socketio.AsyncServer):  # type: ignore[misc]  # python-socketio is untyped
    """`acknowledged(eio_sid)` is awaited after each acknowledgement was handed to its connection."""

    acknowledged: Any

    async def _handle_event_internal(self, server: Any, sid: str, eio_sid: str, data: Any, namespace: str, id: int | None) -> None:
        asked.set(id is not None)
        await super()._handle_event_internal(server, sid, eio_sid, data, namespace, id)
        if id is not None:
            await self.acknowledged(eio_sid)


def own_server(gate: Gate, **heartbeat: int) -> Any:
    """A server of ours, which logs what it has to say, reads packets strictly, and asks the gate about pages."""
    options: dict[str, Any] = {**heartbeat, "serializer": StrictPacket, "logger": LOG, "engineio_logger": LOG}
    sio = AcknowledgingServer(async_mode="aiohttp", max_http_buffer_size=MAX_POST, cors_allowed_origins=gate.welcomes, **options)
    return server_reads_on(sio)
