"""The package's logger. Silent unless the application configures it."""

import logging

LOG = logging.getLogger("realtime_lab")
LOG.addHandler(logging.NullHandler())
