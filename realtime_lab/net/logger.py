"""The package's logger. Silent unless the application configures it; and it never says a token."""

import logging

from realtime_lab.net.gate import shown


def _without_tokens(record: logging.LogRecord) -> bool:
    """python-engineio logs the addresses that it connects to."""
    record.msg, record.args = shown(record.getMessage()), ()
    return True


LOG = logging.getLogger("realtime_lab")
LOG.addHandler(logging.NullHandler())
LOG.addFilter(_without_tokens)
