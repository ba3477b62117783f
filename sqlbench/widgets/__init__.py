"""Controls for JupyterLab: watch a run or a sweep, play an episode, explore what happened.

The controls are ipywidgets. Pictures are shown by display handles, so that they are in papermill's
output and in an HTML export too.
"""

from sqlbench.widgets.explorer import Explorer, explore
from sqlbench.widgets.monitor import Monitor, monitor
from sqlbench.widgets.player import Player, play
from sqlbench.widgets.sweep import SweepView, sweep

__all__ = ["Explorer", "Monitor", "Player", "SweepView", "explore", "monitor", "play", "sweep"]
