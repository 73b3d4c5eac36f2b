"""When is a lab at rest? When nothing that is under way will change by itself any more."""

import asyncio
import time
from collections.abc import Callable, Iterator

from realtime_lab.errors import NotSettled
from realtime_lab.history.copies import Connection
from realtime_lab.history.journeys import Journeys
from realtime_lab.lab.member import Member
from realtime_lab.net.link import Link
from realtime_lab.net.server import Server

LOOKS = 3
"""In a row: between two of them a packet may be in a socket's buffer, where nobody sees it."""
SOON, LATER = 0.005, 0.1
"""Seconds between two looks: at first, and at most. Who waits two seconds for a heartbeat need not look four hundred times."""


async def come_to_rest(look: Callable[[], list[str]], timeout: float) -> None:
    """Look until nothing is under way. Raises NotSettled after `timeout` seconds, with what it still waited for."""
    began, calm = time.monotonic(), 0
    while calm < LOOKS:
        reasons, waited = look(), time.monotonic() - began
        if reasons and waited > timeout:
            raise NotSettled(f"the lab did not come to rest in {timeout} s: {'; '.join(reasons)}.")
        calm = 0 if reasons else calm + 1
        await asyncio.sleep(min(max(SOON, waited / 20), LATER) if reasons else SOON)


def unsettled(server: Server, participants: dict[str, Member], links: dict[str, Link], journeys: Journeys) -> list[str]:
    """What the lab still waits for, one sentence each; empty when it is settled."""
    reasons = [] if server.idle else ["a handler of the server is still running"]
    for name, link in links.items():
        if link.busy:
            reasons.append(f"packets are on {name}'s link")
    for participant in participants.values():
        reasons += _client(participant, server)
    for sid in server.sids:
        reasons += _connection(journeys.connections[sid], links)
    halted = {name for name, participant in participants.items() if participant.client.halted is not None}
    for connection in journeys.live.values():
        reasons += _under_way(connection, links, journeys, halted=connection.client in halted)
    return reasons


def never_came(server: Server, links: dict[str, Link]) -> Iterator[str]:
    """The exact faults that still wait, although nothing is under way that could bring them about."""
    if server.armed:
        yield f'lab.server.crash(at="{server.armed}") still waits: no event came to this point. Emit one, or lab.server.disarm().'
    for name, link in links.items():
        for armed in link.armed:
            yield f"{name}.link.{armed} still waits: that packet never came. Send it, or take it back: {name}.link.disarm()."


def _client(participant: Member, server: Server) -> Iterator[str]:
    name, client, link = participant.name, participant.client, participant.proxy
    if not client.idle:
        yield f"{name} waits for an acknowledgement, or a handler of {name} is still running"
    if client.connected and (link.stalled or not link.connections or client.sid not in server.sids):
        yield f"{name} has not noticed yet that the connection is broken"
    if client.state == "connecting" and link.state == "open" and server.state == "listening":
        yield f"{name} is connecting"


def _connection(connection: Connection, links: dict[str, Link]) -> Iterator[str]:
    link = links.get(connection.client)
    if link is not None and (link.stalled or not link.connections or connection.client_over):
        yield f"the server has not noticed yet that {connection.client}'s connection is broken"


def _under_way(connection: Connection, links: dict[str, Link], journeys: Journeys, *, halted: bool) -> Iterator[str]:
    if connection.client in links and links[connection.client].stalled:
        return  # nothing will arrive; the heartbeat decides, see above
    if connection.server_up and journeys.outstanding(connection.sid, "upstream"):
        yield f"messages from {connection.client} are on their way"
    if journeys.outstanding(connection.sid, "downstream") and not connection.client_over and not halted:
        yield f"messages to {connection.client} are on their way"
