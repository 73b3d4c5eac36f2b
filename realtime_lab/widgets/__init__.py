"""Floor 4: only draws and forwards clicks. Needs the extra "lab" (JupyterLab and ipywidgets)."""

from realtime_lab.widgets.control_room import ControlRoom, control_room
from realtime_lab.widgets.predict import Comparison, Prediction, predict

__all__ = ["Comparison", "ControlRoom", "Prediction", "control_room", "predict"]
