"""The networks that ship with mmer: ONNX files with a JSON card beside each."""
