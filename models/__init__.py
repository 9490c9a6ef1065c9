"""Labels, preparations, encoder and fusion models, engines, and the store of downloaded models."""

import os

# Nothing that mmer loads may report home. ONNX Runtime's wheels do by default, and read this once,
# when they are first imported; this package is imported before.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
