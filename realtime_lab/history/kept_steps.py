"""Where it stands what a client does with the messages that it keeps, and what a server takes back."""

from dataclasses import replace

from realtime_lab.history.ack_steps import AckSteps
from realtime_lab.history.copies import SERVER, Message
from realtime_lab.history.journal import GIVEN_UP, Event
from realtime_lab.history.journeys import Journeys
from realtime_lab.history.labels import Labels
from realtime_lab.history.lanes import Lanes, Note, Spot

OFFLINE = "not connected"
"""The one reason for keeping a message that shows."""


class KeptSteps:
    """Reads the history along with `Steps`."""

    def __init__(self, lanes: Lanes, acks: AckSteps, journeys: Journeys, labels: Labels) -> None:
        self._lanes = lanes
        self._acks = acks
        self._journeys = journeys
        self._labels = labels

    def _buffered(self, event: Event) -> None:
        if event.reason == OFFLINE:
            self._row(event, "buffered", "kept", "kept until it is connected")

    def _timed_out(self, event: Event) -> None:
        spot = self._note(event, "timeout", "timeout", f"timeout: {event.reason}")
        copy = self._journeys.copy_at(event.sid, "upstream", event.index, event.inside)
        self._acks.timeouts[id(copy)] = spot

    def _settled(self, event: Event) -> None:
        message = self._journeys.subjects[event.seq]
        if event.reason == "unknown" and message.unsure and not message.gone:
            self._note(event, "unknown", "unknown", "given up: its fate is unknown", *self._acks.of(message))
        elif event.reason == "rejected" and not message.gone:
            self._note(event, "rejected", "rejected", "rejected by the server", *self._acks.of(message))

    def _discarded(self, event: Event) -> None:
        if event.node != SERVER and event.index < 0:
            self._row(event, "discarded", "dropped", f"thrown away: {event.reason}")

    def _forgotten(self, event: Event) -> None:
        self._row(event, "forgotten", "buffer lost", f"lost with the buffer: {event.reason}")

    def _restored(self, event: Event) -> None:
        if event.reason != GIVEN_UP:
            self._row(event, "restored", "from store", "read from the store")

    def _undone(self, event: Event) -> None:
        """A handler that failed has its mark already."""
        if self._journeys.heard[event.seq].failed < 0:
            self._row(event, "undone", "undone", f"undone: {event.reason}")

    def _label(self, event: Event) -> str:
        if event.node == SERVER:
            return self._labels.at_node(self._journeys.heard[event.seq])
        return self._labels.at_home(self._journeys.subjects[event.seq])

    def _message(self, event: Event) -> Message:
        return self._journeys.heard[event.seq].message if event.node == SERVER else self._journeys.subjects[event.seq]

    def _note(self, event: Event, style: str, word: str, sentence: str, *causes: Spot) -> Spot:
        spot, label, about = self._lanes.next(event.node, *causes), self._label(event), (self._message(event).source.seq,)
        self._lanes.notes.append(Note(spot, event.node, style, word, sentence, label=label, messages=about))
        return spot

    def _row(self, event: Event, style: str, word: str, sentence: str) -> None:
        """What happens to many messages at once has one spot. What somebody does to the link afterwards stands behind it."""
        latest = self._lanes.tracks[event.node].latest
        for place, note in enumerate(self._lanes.notes):
            if note.spot is latest and (note.style, note.sentence) == (style, sentence):
                about = (*note.messages, self._message(event).source.seq)
                self._lanes.notes[place] = replace(note, label=f"{note.label} {self._label(event)}", messages=about)
                return
        spot = self._note(event, style, word, sentence)
        if event.node != SERVER:
            self._lanes.tracks[event.node].told.append(spot)
