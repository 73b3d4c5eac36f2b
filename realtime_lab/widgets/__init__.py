"""Floor 4: only draws and forwards clicks. Needs the extra "lab" (JupyterLab and ipywidgets)."""

from realtime_lab.widgets.control_room import ControlRoom, control_room

__all__ = ["ControlRoom", "control_room"]
