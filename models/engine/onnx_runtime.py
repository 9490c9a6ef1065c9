"""ONNX Runtime's engine, on a provider that is what was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mmer.models.engine.providers import PROVIDERS
from mmer.models.errors import MmerError


class OnnxRuntimeEngine:
    """One ONNX file opened by ONNX Runtime.

    Immutable after construction and safe to call from several threads. One intra-op thread and
    no spinning: these networks are small, and an idle recognizer must leave the cores alone.
    """

    def __init__(self, path: Path, provider: str = "auto", threads: int = 1) -> None:
        import onnxruntime as ort

        available = ort.get_available_providers()
        if provider == "auto":
            wanted = next(n for n in ("cuda", "cpu") if PROVIDERS[n] in available)
        elif provider in PROVIDERS:
            wanted = provider
        else:
            raise MmerError(f"unknown provider {provider!r}: use auto, {', '.join(PROVIDERS)}")
        if PROVIDERS[wanted] not in available:
            have = ", ".join(n for n, ort_name in PROVIDERS.items() if ort_name in available)
            raise MmerError(
                f"provider {wanted!r} is not in this onnxruntime (it has: {have}); "
                "install onnxruntime-gpu in place of onnxruntime, or use --provider auto"
            )
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(str(path), options, providers=[PROVIDERS[wanted]])
        except Exception as error:  # ONNX Runtime raises a dozen unrelated types; all mean this
            raise MmerError(f"cannot open the model {path}: {error}") from error
        used = self._session.get_providers()[0]
        if used != PROVIDERS[wanted] and provider != "auto":
            raise MmerError(
                f"provider {wanted!r} could not start for {path.name}: it fell back to {used}"
            )
        self.provider = next((n for n, ort_name in PROVIDERS.items() if ort_name == used), used)
        self.inputs = tuple(i.name for i in self._session.get_inputs())
        self.outputs = tuple(o.name for o in self._session.get_outputs())

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Named arrays in (first axis is the batch), named arrays out."""
        return dict(zip(self.outputs, self._session.run(None, dict(inputs)), strict=True))
