"""One module a modality: which data, which network, which augmentation, which card."""

from __future__ import annotations

from pathlib import Path

from mmer.models.errors import MmerError
from mmer.training.recipes.recipe import Recipe
from mmer.training.tasks.task import Task

TASKS = ("speech", "text", "face", "fusion", "combined")


def open_task(recipe: Recipe, data: Path, cache: Path | None, weights: Path | None = None) -> Task:
    """Read the data that a recipe's task needs.

    Args:
        recipe: names the task and holds its options.
        data: folder of the corpora.
        cache: folder for decoded data; none keeps nothing.
        weights: folder of the encoders that a fusion is for; by default what its recipe says.

    Raises:
        MmerError: unknown task or option, or a corpus is missing.
    """
    if recipe.task == "face":
        from mmer.training.tasks.face import FaceTask

        return FaceTask(recipe, data)
    if recipe.task == "speech":
        from mmer.training.tasks.speech import SpeechTask

        return SpeechTask(recipe, data, cache)
    if recipe.task == "text":
        from mmer.training.tasks.text import TextTask

        return TextTask(recipe, data, cache)
    if recipe.task == "fusion":
        from mmer.training.tasks.fusion import FusionTask

        return FusionTask(recipe, data, cache, weights)
    if recipe.task == "combined":
        from mmer.training.multimodal.task import CombinedTask

        return CombinedTask(recipe, data, cache)
    raise MmerError(f"recipe {recipe.name}: unknown task {recipe.task!r}; use {', '.join(TASKS)}")
