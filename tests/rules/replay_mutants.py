"""The rules of replay, each broken in one place, and servers that are built around them in a way that loses something."""

from tests.rules import replay_stories as stories
from tests.rules.mutants import Mutant
from tests.rules.replay_server import Design

MUTANTS = (
    Mutant(
        "0 is taken for no offset",
        "replay",
        "if known is None:\n        return Session(epoch, head",
        "if known is None or not known.offset:\n        return Session(epoch, head",
    ),
    Mutant(
        "the epoch is ignored",
        "replay",
        'if known.epoch not in ("", epoch):',
        "if False:",
    ),
    Mutant(
        "after a new database nothing of it is replayed",
        "replay",
        'Session(epoch, trimmed, "epoch-changed")',
        'Session(epoch, head, "epoch-changed")',
    ),
    Mutant(
        "that an offset is ahead is ignored, and the client waits for what never comes",
        "replay",
        "if known.offset > head:",
        "if False:",
    ),
    Mutant(
        "who has caught up is told that the log went back",
        "replay",
        "if known.offset > head:",
        "if known.offset >= head:",
    ),
    Mutant(
        "after the log went back everything in it is replayed again",
        "replay",
        'Session(epoch, head, "ahead")',
        'Session(epoch, trimmed, "ahead")',
    ),
    Mutant(
        "truncated is not told to who comes back",
        "replay",
        "if known.offset < trimmed:",
        "if False:",
    ),
    Mutant(
        "truncated is told to who needs nothing of what is gone",
        "replay",
        "if known.offset < trimmed:",
        "if trimmed and known.offset <= trimmed:",
    ),
    Mutant(
        "who was truncated begins at the head, and what is left is left out",
        "replay",
        'Session(epoch, trimmed, "truncated")',
        'Session(epoch, head, "truncated")',
    ),
    Mutant(
        "a newcomer is told to stand where the oldest event is",
        "replay",
        'Session(epoch, head, "new")',
        'Session(epoch, trimmed, "new")',
    ),
    Mutant(
        "the offset never goes back, not even to where the log went back: max()",
        "replay",
        "    return session.position\n\n\ndef is_repeat",
        "    return Position(session.epoch, max(known.offset, session.offset))\n\n\ndef is_repeat",
    ),
    Mutant(
        "the offset never goes back, not even for a new database: max()",
        "replay",
        "        return session.position\n    if",
        "        return Position(session.epoch, max(known.offset if known else 0, session.offset))\n    if",
    ),
    Mutant(
        "being recovered puts the client back to what it said, although it has finished more since then",
        "replay",
        "return Position(session.epoch, known.offset)",
        "return session.position",
    ),
    Mutant(
        "being truncated puts the client back, although it has finished more since then",
        "replay",
        "return Position(session.epoch, max(known.offset, session.offset))",
        "return session.position",
    ),
    Mutant(
        "being truncated leaves the client where it was, and it is told again and again",
        "replay",
        "return Position(session.epoch, max(known.offset, session.offset))",
        "return known",
    ),
    Mutant(
        "the latest event is handled again when it comes again",
        "replay",
        "offset <= known.offset",
        "offset < known.offset",
    ),
    Mutant(
        "a repeat is handled again",
        "replay",
        "return known is not None and offset <= known.offset",
        "return False",
    ),
    Mutant(
        "the epoch is forgotten with the first event",
        "replay",
        'Position(known.epoch if known else "", offset)',
        'Position("", offset)',
    ),
    Mutant(
        "the offset moves when an event arrives, over those that wait",
        "inbox",
        "self._waiting.append((offset, event))",
        "self._waiting.append((offset, event))\n        self.position = handled(self.position, offset)",
    ),
    Mutant(
        "the offset moves before the handler runs",
        "inbox",
        '        self._state, self._first = "handling", waiting\n',
        '        self._state, self._first = "handling", waiting\n        self.position = handled(self.position, waiting[0])\n',
    ),
    Mutant(
        "what came on a dead connection is handled with what comes on the new one",
        "inbox",
        "self._waiting.clear()",
        "pass",
    ),
    Mutant(
        "a lost connection forgets the event that is not finished",
        "inbox",
        "        self._waiting.clear()\n",
        '        self._waiting.clear()\n        if self._state != "handling":\n            self._state, self._first = "free", None\n',
    ),
    Mutant(
        "a session counts before what came before it",
        "inbox",
        "self._waiting.append(session)",
        "self._waiting.appendleft(session)",
    ),
    Mutant(
        "the latest event is handled first",
        "inbox",
        "waiting = self._waiting.popleft()",
        "waiting = self._waiting.pop()",
    ),
    Mutant(
        "the next event is begun while a handler runs or rests",
        "inbox",
        'if self._state != "free" or not self._waiting:',
        "if not self._waiting:",
    ),
    Mutant(
        "what failed is tried again before its time",
        "inbox",
        'if self._state == "resting" and self._rest <= now and',
        'if self._state == "resting" and',
    ),
    Mutant(
        "the tries of one event count against the next",
        "inbox",
        "        self._tries = 0\n        return self._begin(waiting)",
        "        return self._begin(waiting)",
    ),
    Mutant(
        "it halts after one try more",
        "inbox",
        "self._tries - self._excused >= TRIES",
        "self._tries - self._excused > TRIES",
    ),
    Mutant(
        "it never halts",
        "inbox",
        'self._state = "halted" if self._tries - self._excused >= TRIES else "resting"',
        'self._state = "resting"',
    ),
    Mutant(
        "a full disk is taken for the fault of the event",
        "inbox",
        "self._excused += not counts",
        "pass",
    ),
    Mutant(
        "what a disk once excused excuses the next event too",
        "inbox",
        'self._state, self._first, self._excused = "free", None, 0',
        'self._state, self._first = "free", None',
    ),
    Mutant(
        "halted, it forgets the event that it halted at",
        "inbox",
        '        return self._state == "halted"\n\n    def resume',
        '        return self._state == "halted" and self._finish() is None\n\n    def resume',
    ),
    Mutant(
        "halted, it goes on with the next event",
        "inbox",
        '        return self._state == "halted"\n\n    def resume',
        '        halted, self._state = self._state == "halted", "free"\n        return halted\n\n    def resume',
    ),
    Mutant(
        "after resume there is one try only",
        "inbox",
        'self._state, self._rest, self._tries, self._excused = "resting", -math.inf, 0, 0',
        'self._state, self._rest = "resting", -math.inf',
    ),
    Mutant(
        "no timer waits for the end of a rest",
        "inbox",
        'return self._rest if self._state == "resting" else None',
        "return None",
    ),
    Mutant(
        "truncated is not told to a slow client",
        "cursor",
        "if trimmed > self.after:",
        "if False:",
    ),
    Mutant(
        "a slow client is told that it is truncated, and the position of that is beyond what is left",
        "cursor",
        'Session(self._epoch, trimmed, "truncated")',
        'Session(self._epoch, head, "truncated")',
    ),
    Mutant(
        "truncated is told after what is left was sent",
        "cursor",
        "        return effects\n",
        "        return sorted(effects, key=lambda effect: isinstance(effect, Tell))\n",
    ),
    Mutant(
        "the cursor moves to the head although there was more",
        "cursor",
        "        if last:\n",
        "        if True:\n",
    ),
    Mutant(
        "the cursor does not move on a page that was not the last",
        "cursor",
        "            self.after = offset\n",
        "",
    ),
    Mutant(
        "the cursor stays where it last sent something, so that what was not for this client counts as missed",
        "cursor",
        "            self.after = max(self.after, head)",
        "            pass",
    ),
    Mutant(
        "the cursor begins at the head, whatever the client said",
        "cursor",
        "self._epoch, self.after = epoch, session.offset",
        "self._epoch, self.after = epoch, head",
    ),
)

DESIGNS = {
    "ids without AUTOINCREMENT": Design(autoincrement=False),
    "no ORDER BY": Design(ordered=False),
    "a broadcast beside the cursor": Design(broadcast=True),
    "a replay in the connect handler, and what is published until the connection is accepted": Design(early="replay"),
    "a session that is told before the connection is accepted": Design(early="session"),
}
"""What loses something, however right the rules are."""

RARE = {
    "after the log went back everything in it is replayed again": (
        stories.an_older_backup,
        "handled twice",
    ),
    "being truncated puts the client back, although it has finished more since then": (
        stories.a_handler_that_runs_while_its_client_is_truncated,
        "handled twice",
    ),
    "what came on a dead connection is handled with what comes on the new one": (
        stories.a_handler_that_runs_through_two_connections_to_a_new_database,
        "handled twice",
    ),
    "truncated is told after what is left was sent": (
        stories.a_slow_client_that_is_cut_when_a_part_of_what_is_left_has_come,
        "not what the log has",
    ),
    "the cursor stays where it last sent something, so that what was not for this client counts as missed": (
        stories.a_client_that_has_caught_up_with_what_is_not_for_it,
        "'truncated' is not true",
    ),
}
"""What the machine finds too, but not every time within a second: the story that shows it, and what is wrong then."""
