"""What runs a network: ONNX Runtime on any of its providers, or TensorRT."""

from mmer.models.checksum import sha256_of
from mmer.models.engine.engine import Engine
from mmer.models.engine.open import open_engine
from mmer.models.engine.providers import PROVIDERS

__all__ = ["PROVIDERS", "Engine", "open_engine", "sha256_of"]
