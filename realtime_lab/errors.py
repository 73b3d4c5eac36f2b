"""Every error of the package. Each message says what was wrong, what was expected and what to do.

RealtimeLabError
    NoBrowser            nothing is there that could run a tab of a browser
    PageFailed           the page of such a tab came upon an error of its own
    NotConnected         emit() on a bare client while it is disconnected
    ConnectionRejected   the server answered the handshake with a refusal
    ConnectTimeout       no connection came up in the stated time
    ReservedName         an event name that Socket.IO keeps for itself
    NotSerialisable      data that JSON cannot carry
    InvalidSetting       an option outside its range
    PayloadTooLarge      an event that no server would take
    BufferFull           emit() while the send buffer has reached its limit
    TryAgain             raised by a handler: the event could not be applied now
    Rejected             raised by a handler: the event is refused for good
    StoreInUse           somebody else has the database open
    StoreFailed          a database that cannot be opened, read or written
    AlreadyClosed        an object was used after close()
    PortInUse            the port that was asked for is taken
    UnknownFault         a fault, direction or packet that does not exist
    FaultPending         an exact cut waits for a packet that never came
    NameTaken            two participants of one lab with the same name
    NotSettled           the lab did not come to rest in the stated time
    LabBusy              the lab's own thread did not answer: a handler blocks it
    LabTrouble           lab.check(): something failed in the background
"""


class RealtimeLabError(Exception):
    """Base of all errors that this package raises on purpose."""


class NoBrowser(RealtimeLabError):
    """A tab of a browser is wanted, and nothing is there that could run it."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows of it: the sentence alone, for no line of code is wrong."""
        return [f"NoBrowser: {self}"]


class PageFailed(RealtimeLabError):
    """The page of a browser's tab came upon an error of its own."""


class NotConnected(RealtimeLabError, ConnectionError):
    """The client is not connected, and no guarantee keeps the event for later."""


class ConnectionRejected(RealtimeLabError, ConnectionError):
    """The server refused the connection (CONNECT_ERROR); trying again by itself would not help."""


class ConnectTimeout(RealtimeLabError, TimeoutError):
    """No connection came up in the stated time."""


class ReservedName(RealtimeLabError, ValueError):
    """The event name is reserved by Socket.IO."""


class NotSerialisable(RealtimeLabError, TypeError):
    """The data cannot be written as JSON (bytes are allowed, they travel as attachments)."""


class InvalidSetting(RealtimeLabError, ValueError):
    """An option is outside its range."""


class PayloadTooLarge(RealtimeLabError, ValueError):
    """The event is larger than what a server accepts; sending it would end the connection every time."""


class BufferFull(RealtimeLabError, BufferError):
    """The send buffer has reached its limit; what it holds already is not lost."""


class TryAgain(RealtimeLabError):
    """For handlers to raise: this event could not be applied now, and its sender should send it again."""


class Rejected(RealtimeLabError):
    """For handlers to raise: this event is refused for good, and its sender learns why. Any other error does the same, and is reported."""


class StoreInUse(RealtimeLabError, OSError):
    """Another process, or another object of this one, has this database open."""


class StoreFailed(RealtimeLabError, OSError):
    """The database cannot be opened, read or written: corrupt, read-only, of another kind, or the disk is full."""


class AlreadyClosed(RealtimeLabError, RuntimeError):
    """The object was closed; make a new one."""


class PortInUse(RealtimeLabError, OSError):
    """The port is taken by another process."""


class UnknownFault(RealtimeLabError, ValueError):
    """There is no such fault, direction or packet."""


class FaultPending(RealtimeLabError):
    """An exact cut is still waiting for its packet."""


class NameTaken(RealtimeLabError, ValueError):
    """The lab already has a participant of this name."""


class NotSettled(RealtimeLabError, TimeoutError):
    """The lab did not come to rest in the stated time."""


class LabBusy(RealtimeLabError, TimeoutError):
    """The lab's thread did not answer in time: some code blocks it."""


class LabTrouble(RealtimeLabError):
    """Something failed in the background (see `lab.errors`)."""
