"""The former address of ``core.methods.baselines.base``, for methods of other packages."""

from core.methods.baselines.base import *  # noqa: F403
from core.methods.baselines.base import BaselineConfig, BaselineState

Student, StudentConfig = BaselineState, BaselineConfig
