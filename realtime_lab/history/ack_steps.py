"""Where acknowledgements stand: they leave in the step in which their message came, and take no room of their own on a lane.

When an acknowledgement came moves nothing but what waited for it, so a picture does not depend on how fast acknowledgements are.
"""

from collections.abc import Iterable

from realtime_lab.history.copies import SERVER, Copy, Message
from realtime_lab.history.journal import Event
from realtime_lab.history.journeys import Journeys
from realtime_lab.history.lanes import Lanes, Spot


class AckSteps:
    """Reads the history along with `Steps`."""

    def __init__(self, lanes: Lanes, journeys: Journeys) -> None:
        self.tails: dict[int, Spot] = {}
        """id(copy) -> where its acknowledgement left the server."""
        self.heads: dict[int, Spot] = {}
        """id(copy) -> where its acknowledgement arrived."""
        self.returned: dict[int, Spot] = {}
        """id(copy) -> where its handler returned, if that stands for itself."""
        self.timeouts: dict[int, Spot] = {}
        """id(copy) -> where its sender had waited long enough."""
        self._lanes = lanes
        self._journeys = journeys
        self._gates: dict[int, Spot | None] = {}

    def continue_from(self, before: "AckSteps", unanswered: Iterable[Copy]) -> None:
        """What had been answered by then comes from the left edge."""
        self.tails = {id(copy): self._lanes.edge for copy in unanswered if id(copy) in before.tails}

    def of(self, message: Message) -> list[Spot]:
        """Where its sender was given acknowledgements of this message."""
        acked = [copy for copy in message.copies if copy.ack is not None and copy.ack.arrived >= 0]
        return [self.heads[id(copy)] for copy in acked if id(copy) in self.heads]

    def let_go(self, copy: Copy) -> list[Spot]:
        """What let this copy be sent: the answer to the try before it, or the acknowledgement that made room for it."""
        if copy.attempt > 1:
            return self.of(copy.message)
        return self._lanes.tracks[copy.sender].acks[-1:] if copy.message.waits else []

    def _answered(self, event: Event) -> None:
        for copy in self._journeys.copies_at(event.sid, "upstream", event.index):
            self._leave(copy)

    def _leave(self, copy: Copy | None) -> None:
        """An answer to what had timed out is late: it stands behind what the server was given meanwhile."""
        came = self._lanes.heads.get(id(copy))
        if copy is None or came is None or id(copy) in self.tails:
            return
        spot = self.returned.get(id(copy), came)
        if id(copy) in self.timeouts:
            spot = self._lanes.tracks[SERVER].latest or spot
        before = [other for other in self._lanes.orders([copy.sender]) if other is not None and other.step >= spot.step]
        self.tails[id(copy)] = Spot(*before) if before else spot

    def _held(self, event: Event) -> list[Copy]:
        if event.answers < 0 or event.direction != "downstream":
            return []
        copies = self._journeys.copies_at(event.sid, "upstream", event.answers)
        for copy in copies:
            self._leave(copy)
            if id(copy) in self.tails:
                self._lanes.tracks[event.node].seen.append(self.tails[id(copy)])
        return copies

    _dropped = _held

    def _wire(self, event: Event) -> None:
        for copy in self._held(event):
            self._gates[id(copy)] = self._lanes.tracks[event.node].fault
            if copy.ack is not None and copy.ack.wire >= 0 and (copy.wire_only or (copy.ack.late and copy.ack.arrived < 0)):
                self._arrive(copy, self._lanes.tracks[copy.sender].unheard)

    def _acked(self, event: Event) -> None:
        copy = self._journeys.copy_at(event.sid, "upstream", event.index, event.inside)
        self._leave(copy)
        if copy is not None:
            self._arrive(copy, self._lanes.tracks[copy.sender].acks)

    def _arrive(self, copy: Copy, among: list[Spot]) -> None:
        tail = self.tails.get(id(copy))
        if tail is not None:
            head = self.heads[id(copy)] = Spot(tail, self._gates.get(id(copy)), self.timeouts.get(id(copy)))
            among.append(head)
