"""The parts of a Run: its phase, its method's state, the frames beside it, and what is kept on disk."""

from core.runs.engine.attributes import RunAttributes
from core.runs.engine.control import RunControl
from core.runs.engine.frame_worker import FrameWorker
from core.runs.engine.keeper import Keeper
from core.runs.engine.run_engine import RunEngine
from core.runs.engine.stepper import MethodStepper

__all__ = ["FrameWorker", "Keeper", "MethodStepper", "RunAttributes", "RunControl", "RunEngine"]
