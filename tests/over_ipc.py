"""A plugin of pytest: the kernels of nbval use no ports, where that can be.

A port is chosen before the kernel uses it, and somebody else may take it meanwhile: notebooks and tests open hundreds. Then the kernel dies
at its start, and every cell of its notebook with it (seen).
"""

import sys
import tempfile
from typing import Any

import nbval.kernel
from jupyter_client.manager import KernelManager


def over_ipc(**options: Any) -> KernelManager:
    """A manager whose sockets are files."""
    folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    manager = KernelManager(transport="ipc", ip=f"{folder.name}/kernel", **options)
    manager.folder = folder  # for as long as it lives
    return manager


if sys.platform != "win32":
    nbval.kernel.KernelManager = over_ipc
