"""Does this ipykernel end every cell? `python -m tests.lost_cells` runs some that have nothing to do with realtime_lab.

Those of ipykernel 7.0 to 7.3 do not, now and then: the kernel takes a cell and says nothing more, over TCP as well as over ipc (measured).
"""

import queue
import sys

from jupyter_client.manager import KernelManager

KERNELS, CELLS = 4, 120
LIMIT = 10.0
"""Seconds after which a cell that takes some milliseconds is lost."""


def ends(client, code: str) -> bool:  # type: ignore[no-untyped-def]  # jupyter_client is untyped
    """Run a cell. Is it said to be over?"""
    request = client.execute(code, store_history=False)
    while True:
        try:
            message = client.get_iopub_msg(timeout=LIMIT)
        except queue.Empty:
            return False
        about, what = message["parent_header"].get("msg_id"), message["content"].get("execution_state")
        if (about, what) == (request, "idle"):
            return True


def main() -> int:
    """Exit code 1: some were lost."""
    begun = lost = 0
    for _ in range(KERNELS):
        manager = KernelManager(kernel_name="python3")
        manager.start_kernel()
        client = manager.client()
        client.start_channels()
        client.wait_for_ready(timeout=60)
        for _ in range(CELLS):
            begun += 1
            if not ends(client, "import asyncio; await asyncio.sleep(0.005)"):
                lost += 1
                break  # such a kernel takes no more
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    print(f"figure: {lost} of {begun} cells never ended")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
