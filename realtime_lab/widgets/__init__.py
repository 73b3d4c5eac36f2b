"""Floor 4: only draws and forwards clicks. Needs the extra "lab" (JupyterLab and ipywidgets)."""

from realtime_lab.widgets.control_room import ControlRoom, control_room
from realtime_lab.widgets.predict import Comparison, Prediction, predict
from realtime_lab.widgets.quiz import Quiz, misconceptions, questions, quiz

__all__ = ["Comparison", "ControlRoom", "Prediction", "Quiz", "control_room", "misconceptions", "predict", "questions", "quiz"]
