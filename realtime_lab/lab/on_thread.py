"""Objects of the lab, as a cell gets them: the same methods and attributes, carried out on the lab's thread."""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from realtime_lab.errors import UnknownFault
from realtime_lab.lab.loop_thread import LoopThread


class OnThread:
    """Stands for `target`. Plain methods return their result, coroutine methods are awaited, attributes are read and set.

    `names` is what a cell may use. `before` is called first, so that what the cell did earlier happens earlier.
    """

    def __init__(self, target: Any, thread: LoopThread, name: str, names: Sequence[str], before: Callable[[], None]) -> None:
        vars(self).update(_target=target, _thread=thread, _name=name, _names=names, _before=before, __doc__=inspect.getdoc(target))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._names:
            raise self._unknown(name)
        self._before()
        value = self._thread.call(getattr, self._target, name)
        return self._method(value) if inspect.ismethod(value) else value

    def __setattr__(self, name: str, value: Any) -> None:
        found = inspect.getattr_static(type(self._target), name, None)
        if name not in self._names or not isinstance(found, property) or found.fset is None:
            raise self._unknown(name)
        self._before()
        self._thread.call(setattr, self._target, name, value)

    def _method(self, method: Any) -> Any:
        thread, before, signature = self._thread, self._before, inspect.signature(method)

        @functools.wraps(method)
        def call(*arguments: Any, **options: Any) -> Any:
            try:
                signature.bind(*arguments, **options)
            except TypeError as error:
                raise UnknownFault(f"{self._name}.{method.__name__}(): {error}. It is called as {method.__name__}{signature}.") from None
            before()
            if inspect.iscoroutinefunction(method):
                return thread.run(method(*arguments, **options))
            return thread.call(method, *arguments, **options)

        return call

    def _unknown(self, name: str) -> Exception:
        class NoSuchName(UnknownFault, AttributeError):
            """Both: an unknown fault for the learner, an AttributeError for Python (hasattr, tab completion)."""

        return NoSuchName(f"{self._name} has no {name!r}. It has: {', '.join(self.__dir__())}.")

    def __dir__(self) -> list[str]:
        return list(self._names)

    def __repr__(self) -> str:
        return f"<{self._name}>"
