"""The one use of nest-asyncio: a plain script, with `asyncio.run(main())` at its end, pasted into a notebook's cell.

Nothing in this package needs it: cells can `await`, and the lab has its own thread. It is never applied unless this function is called,
because it replaces asyncio's tasks by slower ones for the whole process (round trips per second fell by 35 to 45 % when measured).
"""

import importlib
import sys


def allow_asyncio_run() -> str:
    """Let `asyncio.run(...)` work inside a running event loop. Returns a sentence that says what was done; undone by a kernel restart.

    Up to Python 3.11 it uses nest-asyncio. From 3.12 on it uses the maintained fork nest-asyncio2: nest-asyncio 1.6 does not know
    `loop_factory` (3.12), and on 3.14 it breaks `asyncio.current_task()`.
    Raises ModuleNotFoundError with the command to install it.
    """
    name = "nest_asyncio" if sys.version_info < (3, 12) else "nest_asyncio2"
    try:
        nest = importlib.import_module(name)
    except ModuleNotFoundError:
        raise ModuleNotFoundError(f'{name} is not installed. Run: pip install "realtime-lab[lab]"', name=name) from None
    nest.apply()
    return f"asyncio.run() now works inside this kernel ({name.replace('_', '-')}). Every task is slower until the kernel restarts."
