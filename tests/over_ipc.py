"""Kernels that use no ports, where that can be. As a plugin of pytest (`-p tests.over_ipc`): also those of nbval.

A port is chosen before the kernel uses it, and somebody else may take it meanwhile: notebooks and tests open hundreds. Then the kernel dies
at its start, and every cell of its notebook with it (seen).
"""

import sys
import tempfile
from typing import Any

from jupyter_client.manager import KernelManager


def manager_over_ipc(**options: Any) -> KernelManager:
    """A manager whose sockets are files."""
    if sys.platform == "win32":
        return KernelManager(**options)
    folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    manager = KernelManager(transport="ipc", ip=f"{folder.name}/kernel", **options)
    manager.folder = folder  # for as long as it lives
    return manager


def pytest_configure() -> None:
    """nbval takes its managers from there."""
    import nbval.kernel  # who only wants a kernel needs no nbval

    nbval.kernel.KernelManager = manager_over_ipc
