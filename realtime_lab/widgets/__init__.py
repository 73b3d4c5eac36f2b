"""Floor 4: only draws and forwards clicks. Needs the extra "lab" (JupyterLab and ipywidgets)."""

from realtime_lab.widgets.browser_tab import browser_tab
from realtime_lab.widgets.control_room import ControlRoom, control_room
from realtime_lab.widgets.fate_matrix import Explorer, explore
from realtime_lab.widgets.predict import Comparison, Prediction, predict
from realtime_lab.widgets.progress import ProgressBar, progress_bar
from realtime_lab.widgets.quiz import Quiz, misconceptions, questions, quiz

__all__ = [
    "Comparison", "ControlRoom", "Explorer", "Prediction", "ProgressBar", "Quiz",
    "browser_tab", "control_room", "explore", "misconceptions", "predict", "progress_bar", "questions", "quiz",
]  # fmt: skip
