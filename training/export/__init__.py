"""Export of trained networks: ONNX, parity, quantization, cards."""
