"""Registry of training tasks, by the name in a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mmer.models.errors import MmerError
from mmer.models.registry import Entry, Registry
from mmer.training.recipes.recipe import Recipe
from mmer.training.tasks.task import Task

TASKS: Final = Registry(
    "task",
    {
        "speech": Entry(
            "mmer.training.tasks.speech:SpeechTask", "heads on lower blocks of Whisper's encoder"
        ),
        "text": Entry(
            "mmer.training.tasks.text:TextTask", "a transformer over dialogue, cut down from MiniLM"
        ),
        "face": Entry(
            "mmer.training.tasks.face:FaceTask",
            "lower stages of dlib's ResNet over grey face crops",
        ),
        "face-baseline": Entry(
            "mmer.training.tasks.face_baseline:FaceBaselineTask",
            "the face's answers relative to what a person showed before",
        ),
        "fusion": Entry(
            "mmer.training.tasks.fusion:FusionTask", "the fusion of the three above, late"
        ),
        "multimodal": Entry(
            "mmer.training.multimodal.task:MultimodalTask",
            "named encoders of one to three modalities and a named fusion, trained on one corpus",
        ),
    },
)


def open_task(recipe: Recipe, data: Path, cache: Path | None, weights: Path | None = None) -> Task:
    """Open a recipe's task: reads the data that it needs.

    Args:
        recipe: names the task and holds its options.
        data: folder of the corpora.
        cache: folder for decoded data; none keeps nothing.
        weights: folder of the encoders that a fusion is for; by default what its recipe says.

    Raises:
        MmerError: unknown task or option, or a corpus is missing.
    """
    if recipe.task not in TASKS:
        known = ", ".join(TASKS)
        raise MmerError(f"recipe {recipe.name}: unknown task {recipe.task!r}; use {known}")
    task: Task = TASKS.load(recipe.task)(recipe, data, cache, weights)
    return task
