"""Inference engines: ONNX Runtime on any of its providers, or TensorRT."""

from mmer.models.engine.engine import Engine
from mmer.models.engine.open import Choice, open_best, open_engine
from mmer.models.engine.providers import PROVIDERS
from mmer.models.engine.shapes import Lengths

__all__ = ["PROVIDERS", "Choice", "Engine", "Lengths", "open_best", "open_engine"]
