"""Evaluation of the shipped or of other weights on labelled data: ``mmer-evaluate``.

From Python: ``mmer.training.evaluation.evaluate.evaluate("text", "meld", root, split="dev")``
returns an ``Evaluation``. Runs on ONNX Runtime, without torch.
"""
