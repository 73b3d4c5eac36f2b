"""The heartbeat of a lab in which nothing stalls."""

CALM = {"ping_interval": 25, "ping_timeout": 20}
"""Options of Lab.start, in seconds. A cut is noticed at once in any case; and a busy machine, which makes a heartbeat of one second late,
does not break a link that the case has not broken (measured: a right answer was blamed for it)."""
