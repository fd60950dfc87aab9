"""Models of any nn.Module: wrapped as extractor and head, and built again by the factory that the caller gave."""

from core.models.own_modules.factories import PREFIX, build_wrapped, has_factory, require_fit, wrapped
from core.models.own_modules.wrapping import WrappedNet, wrap

__all__ = ["PREFIX", "WrappedNet", "build_wrapped", "has_factory", "require_fit", "wrap", "wrapped"]
