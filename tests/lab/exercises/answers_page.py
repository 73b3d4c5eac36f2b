"""Answers to the exercise of lesson 09: one that is right, and the usual mistakes."""

from itertools import count
from uuid import uuid4


class Solution:
    def __init__(self, storage):
        self.storage = storage

    def emit(self, text):
        self.storage["outbox"] = [*self.waiting(), (uuid4().hex, text)]

    def waiting(self):
        return self.storage.get("outbox", [])

    def acknowledged(self, key):
        self.storage["outbox"] = [each for each in self.waiting() if each[0] != key]


class Numbers(Solution):
    """Another right one: a name for the client, and a number, both kept."""

    def emit(self, text):
        self.storage.setdefault("name", uuid4().hex)
        self.storage["last"] = self.storage.get("last", 0) + 1
        key = f"{self.storage['name']}:{self.storage['last']}"
        self.storage["outbox"] = [*self.waiting(), (key, text)]


class Stub:
    def __init__(self, storage):
        self.storage = storage

    def emit(self, text):
        raise NotImplementedError("keep the text, with a key of its own.")

    def waiting(self):
        raise NotImplementedError("return a list of pairs (key, text).")

    def acknowledged(self, key):
        raise NotImplementedError("forget the message with this key.")


class MemoryOnly(Solution):
    """The send buffer of the official client."""

    def __init__(self, storage):
        super().__init__({})


class ForgottenWhenGivenOut(Solution):
    """What was sent has arrived."""

    def waiting(self):
        given = self.storage.get("outbox", [])
        self.storage["outbox"] = []
        return given


class NewKeyEachTime(Solution):
    """The key is made when the message is sent, not when it is emitted."""

    def emit(self, text):
        self.storage["outbox"] = [*self.storage.get("outbox", []), text]

    def waiting(self):
        self.given = {uuid4().hex: text for text in self.storage.get("outbox", [])}
        return list(self.given.items())

    def acknowledged(self, key):
        self.storage["outbox"] = [text for text in self.storage["outbox"] if text != self.given[key]]


class NewKeyAtEachLoading(Solution):
    """The name of the client is drawn when the page is loaded, and what was kept gets it too."""

    def __init__(self, storage):
        super().__init__(storage)
        storage["outbox"] = [(uuid4().hex, text) for _, text in storage.get("outbox", [])]


class CounterInMemory(Solution):
    """The tutorial's `counter`: the refreshed page begins with 1 again."""

    def __init__(self, storage):
        super().__init__(storage)
        storage.setdefault("name", uuid4().hex)
        self.numbers = count(1)

    def emit(self, text):
        self.storage["outbox"] = [*self.waiting(), (f"{self.storage['name']}:{next(self.numbers)}", text)]


class CounterOnly(Solution):
    """It is kept, but it is the same for everybody."""

    def emit(self, text):
        self.storage["last"] = self.storage.get("last", 0) + 1
        self.storage["outbox"] = [*self.waiting(), (str(self.storage["last"]), text)]


class CopyChanged(Solution):
    """What is read from localStorage is a copy."""

    def emit(self, text):
        self.storage.setdefault("outbox", [])
        self.storage["outbox"].append((uuid4().hex, text))


class Overwritten(Solution):
    """There is a place for one message."""

    def emit(self, text):
        self.storage["outbox"] = [(uuid4().hex, text)]


class NeverRemoved(Solution):
    """The server knows the key, so what can happen? It is sent again for ever."""

    def acknowledged(self, key):
        pass


class RemovedInMemory(Solution):
    """The acknowledged message comes back with the next refresh."""

    def __init__(self, storage):
        super().__init__(storage)
        self.gone = set()

    def waiting(self):
        return [each for each in super().waiting() if each[0] not in self.gone]

    def acknowledged(self, key):
        self.gone.add(key)

    def emit(self, text):
        self.storage["outbox"] = [*super().waiting(), (uuid4().hex, text)]


class AllAcknowledged(Solution):
    """Empties the outbox at the first acknowledgement."""

    def acknowledged(self, key):
        self.storage["outbox"] = []


class NewestFirst(Solution):
    """Put in at the wrong end."""

    def emit(self, text):
        self.storage["outbox"] = [(uuid4().hex, text), *self.waiting()]


WRONG = {
    MemoryOnly: (3, "never stored"),
    ForgottenWhenGivenOut: (4, "never stored"),
    NewKeyEachTime: (5, "stored twice"),
    NewKeyAtEachLoading: (7, "stored twice"),
    CounterInMemory: (2, "its key was there already"),
    CounterOnly: (15, "its key was there already"),
    CopyChanged: (0, "never stored"),
    Overwritten: (8, "never stored"),
    NeverRemoved: (0, "given out again"),
    RemovedInMemory: (2, "given out again"),
    AllAcknowledged: (8, "never stored"),
    NewestFirst: (8, "not the order"),
}
"""The number of the case that breaks each of them, and what is wrong there."""
