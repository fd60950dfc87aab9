"""The former home of ``core.methods.baselines.base``, kept for methods of other packages."""

from core.methods.baselines.base import *  # noqa: F403
from core.methods.baselines.base import BaselineConfig, BaselineState

Student, StudentConfig = BaselineState, BaselineConfig
