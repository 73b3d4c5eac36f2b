"""Answers to the exercise of lesson 05: the solutions, the stub, and typical mistakes."""


class StopAndWait:
    """The solution: one message is under way, the others wait for it."""

    def __init__(self):
        self.waiting = []
        self.online = True

    def emitted(self, n):
        self.waiting.append(n)
        return [n] if self.online and self.waiting == [n] else []

    def acknowledged(self, n):
        self.waiting.remove(n)
        return self.waiting[:1]

    def timed_out(self, n):
        return [n]

    def disconnected(self):
        self.online = False
        return []

    def connected(self):
        self.online = True
        return self.waiting[:1]


class AllAtOnce(StopAndWait):
    """Right too: everything is under way, and everything is sent again, in order."""

    def emitted(self, n):
        self.waiting.append(n)
        return [n] if self.online else []

    def acknowledged(self, n):
        self.waiting.remove(n)
        return []

    def connected(self):
        self.online = True
        return self.waiting


class Stub:
    """As it stands in the notebook."""

    def __init__(self):
        self.waiting = []

    def emitted(self, n):
        raise NotImplementedError("which numbers are to be sent now? Return a list, for example [n].")

    def acknowledged(self, n):
        return []

    def timed_out(self, n):
        return []

    def disconnected(self):
        return []

    def connected(self):
        return []


class OnlyTheTimer(AllAtOnce):
    """Sends again when a timer rings, and forgets that a broken connection rings none."""

    def connected(self):
        self.online = True
        return []


class NewestFirst(AllAtOnce):
    """Takes from the wrong end of the list."""

    def connected(self):
        self.online = True
        return self.waiting[::-1]


class TimeoutMeansFailed(StopAndWait):
    """Gives a message up when no answer comes, and goes on with the next."""

    def timed_out(self, n):
        return self.acknowledged(n)


class ThreeTries(StopAndWait):
    """Three must be enough."""

    def __init__(self):
        super().__init__()
        self.left = 3

    def connected(self):
        self.online = True
        self.left -= 1
        return self.waiting[:1] if self.left > 0 else []


class NoConnection(AllAtOnce):
    """Sends at once when the connection is lost, when nothing can be sent."""

    def disconnected(self):
        return self.waiting


class NeverForgets(AllAtOnce):
    """Sends what is acknowledged, too."""

    def acknowledged(self, n):
        return []


class NeverGoesOn(StopAndWait):
    """Waits for the first message, and never sends the second."""

    def acknowledged(self, n):
        self.waiting.remove(n)
        return []


RIGHT = [StopAndWait, AllAtOnce]

WRONG = {
    OnlyTheTimer: ("alice emits 1 message, and her link is cut before #1; then one more", "nothing was sent that would bring #1"),
    NewestFirst: ("alice emits 2 messages, and her link is cut before #1; then one more", "#1 came after a message that was emitted later"),
    TimeoutMeansFailed: ("alice emits 2 messages, and the way to the server stalls before #2; then one more", "would bring #2"),
    ThreeTries: ("alice emits 1 message, and her link is cut before #1, 4 times in a row; then one more", "would bring #1"),
    NoConnection: (
        "alice emits 1 message, and her link is cut before #1; then one more",
        "disconnected() returned 1, but there is no connection",
    ),
    NeverForgets: ("alice emits 2 messages, and her link is cut before the answer to #2; then one more", "no message 1 that waits"),
    NeverGoesOn: ("alice emits 2 messages, and her link is cut before #1; then one more", "would bring #2"),
}
"""The case that breaks each of them, and what is said."""
