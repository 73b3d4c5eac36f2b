"""The three rules, each broken in one place. A test that lets one of them live does not test what it says."""

from typing import NamedTuple


class Mutant(NamedTuple):
    """In `rule`.py the text `original`, which stands there once, becomes `replaced`; what is wrong then is the `sentence`."""

    sentence: str
    rule: str
    original: str
    replaced: str


MUTANTS = (
    Mutant(
        "a full buffer throws the new event away in silence",
        "send_buffer",
        'return Refuse(f"the send buffer is full ({self._limit} events)", full=True)',
        "return Keep()",
    ),
    Mutant(
        "one event more than the limit is kept",
        "send_buffer",
        "if len(self._kept) >= self._limit:",
        "if len(self._kept) > self._limit:",
    ),
    Mutant(
        "what has left still counts against the limit in bytes",
        "send_buffer",
        "            self._bytes -= kept.size\n            taken.append(kept.key)",
        "            taken.append(kept.key)",
    ),
    Mutant(
        "a volatile event overtakes those that wait",
        "send_buffer",
        "if connected and not self._kept:",
        "if connected:",
    ),
    Mutant(
        "the latest event leaves first",
        "send_buffer",
        "kept = self._kept.popleft()",
        "kept = self._kept.pop()",
    ),
    Mutant(
        "an event that an earlier run accepted goes behind the new ones",
        "send_buffer",
        "self._kept.appendleft(_Kept(key, size, since, gone))",
        "self._kept.append(_Kept(key, size, since, gone))",
    ),
    Mutant(
        "an event that grew too old leaves a hole in the numbers",
        "send_buffer",
        "if self._tombstones:",
        "if not self._tombstones:",
    ),
    Mutant(
        "the timer is not armed for what became the oldest by a restart",
        "send_buffer",
        "since = min(now, self._kept[0].since) if self._kept else now",
        "since = now",
    ),
    Mutant(
        "one try more than was asked for",
        "retry",
        "retries + 1, ack_timeout, window",
        "retries + 2, ack_timeout, window",
    ),
    Mutant(
        "the window has a place more",
        "retry",
        "return self._window - len(self._flights)",
        "return self._window + 1 - len(self._flights)",
    ),
    Mutant(
        "the window is a number of events, so that the server may have forgotten the answer to the first",
        "retry",
        "if flight.n >= end or (flight.rest is not None and flight.rest > now):",
        "if flight.rest is not None and flight.rest > now:",
    ),
    Mutant(
        "an event that was given up is sent again, whole",
        "retry",
        "effects.append(Send(flight.n, flight.tries, flight.gone))",
        "effects.append(Send(flight.n, flight.tries))",
    ),
    Mutant(
        "an event that was given up is forgotten without a tombstone",
        "retry",
        "        flight.gone, flight.tries = True, 0\n",
        "        self._flights.pop(flight.n)\n",
    ),
    Mutant(
        "a new connection takes the lost try for one that is under way",
        "retry",
        "        self._under_way.clear()\n",
        "",
    ),
    Mutant(
        "a lost connection costs no try",
        "retry",
        '            effects += self._give_up(flight, "the connection ended before an acknowledgement came")\n',
        "",
    ),
    Mutant(
        "what rests does not hold back what has to follow it",
        "retry",
        "if flight.n >= end or (flight.rest is not None and flight.rest > now):",
        "if flight.n >= end:",
    ),
    Mutant(
        "the timer rings for a wait that an earlier one holds back, again and again",
        "retry",
        "first = islice(self._waiting, 1)",
        "first = islice(self._waiting, 9)",
    ),
    Mutant(
        "no timer waits for the end of a rest",
        "retry",
        "first = islice(self._waiting, 1)",
        "first = islice(self._waiting, 0)",
    ),
    Mutant(
        "a gap costs a try, although nobody looked at the event",
        "retry",
        "flight.tries -= 1  # nobody",
        "pass  # nobody",
    ),
    Mutant(
        "what came too early leaves at once, before the one that is missing is heard of",
        "retry",
        "            self._too_early = True\n",
        "",
    ),
    Mutant(
        "the timer rings for what may not leave",
        "retry",
        "        if not self._too_early:\n",
        "        if True:\n",
    ),
    Mutant(
        "the timer rings for what is beyond the open part of the window",
        "retry",
        "for flight in first if flight.n < self._end]",
        "for flight in first]",
    ),
    Mutant(
        "after a gap the whole window leaves",
        "retry",
        "self._open, self._too_early = min(AFTER_GAP, self._window), False",
        "self._too_early = False",
    ),
    Mutant(
        "a window of which a part is open stays so",
        "retry",
        "            self._open += 1\n",
        "            pass\n",
    ),
    Mutant(
        "an acknowledgement opens the window further than it is",
        "retry",
        "        if self._open < self._window:\n",
        "        if True:\n",
    ),
    Mutant(
        "what came too early on a connection that is over holds back the next one",
        "retry",
        "self._open, self._too_early = self._window, False",
        "pass",
    ),
    Mutant(
        "the refusal of an earlier try ends the wait for the next one",
        "retry",
        "if flight.deadline is None:\n            return []",
        "if False:\n            return []",
    ),
    Mutant(
        "a final refusal is tried again",
        "retry",
        "if not retryable:",
        "if not retryable and not flight.tries:",
    ),
    Mutant(
        "a refusal counts as an acknowledgement",
        "retry",
        'return self._finish(n, now, "rejected", reason)',
        'return self._finish(n, now, "acked", reason)',
    ),
    Mutant(
        "the application is told again when the tombstone is acknowledged",
        "retry",
        "known = [] if flight.gone else [Settle(n, outcome, reason)]",
        "known = [Settle(n, outcome, reason)]",
    ),
    Mutant(
        "what a resting event held back does not leave when that one is acknowledged late",
        "retry",
        "return [*known, Done(n), *self._send(now)]",
        "return [*known, Done(n)]",
    ),
    Mutant(
        "an event without its turn is applied, and the earlier one is acknowledged later without ever being applied",
        "dedup",
        "if n == self.last + 1:\n            return Apply()",
        "if n > self.last:\n            return Apply()",
    ),
    Mutant(
        "the latest event is applied again when its acknowledgement was lost",
        "dedup",
        "if n == self.last + 1:\n            return Apply()",
        "if n in (self.last, self.last + 1):\n            return Apply()",
    ),
    Mutant(
        "a repeat of a refused event is acknowledged as a success",
        "dedup",
        'return Repeat({**answer, "duplicate": True})',
        'return Repeat({"ok": True, "duplicate": True})',
    ),
    Mutant(
        "another event under the same number is taken for a repeat, and lost",
        "dedup",
        "if TOMBSTONE not in (known, fingerprint) and known != fingerprint:",
        "if False:",
    ),
    Mutant(
        "the tombstone of an event that was applied after all is a conflict",
        "dedup",
        "if TOMBSTONE not in (known, fingerprint) and known != fingerprint:",
        "if known != fingerprint:",
    ),
    Mutant(
        "a greeting with a low number makes the ledger forget",
        "dedup",
        "        if first - 1 > self.last:\n",
        "        if True:\n",
    ),
    Mutant(
        "the greeting is taken for the last number that is finished, so the first unfinished one is lost",
        "dedup",
        "        if first - 1 > self.last:\n            self.last = first - 1\n",
        "        if first > self.last:\n            self.last = first\n",
    ),
    Mutant(
        "the answers of half of the window are forgotten",
        "dedup",
        "self._answers.pop(n - ANSWERS, None)",
        "self._answers.pop(n - ANSWERS // 2, None)",
    ),
    Mutant(
        "answers are kept for ever",
        "dedup",
        "        self._answers.pop(n - ANSWERS, None)\n",
        "",
    ),
    Mutant(
        "a decision out of turn is recorded",
        "dedup",
        "        if n != self.last + 1:\n",
        "        if n <= self.last:\n",
    ),
)
