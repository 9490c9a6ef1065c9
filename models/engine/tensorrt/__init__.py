"""TensorRT engine: plans built from ONNX files, cached, and run (TensorRT 10 and 11)."""
