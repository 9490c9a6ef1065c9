"""TensorRT itself: plans built from our ONNX files, kept, and run. Written to 10.x and 11.x."""
