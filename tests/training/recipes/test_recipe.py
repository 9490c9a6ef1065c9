from pathlib import Path
from typing import Any

import pytest

from mmer.models.errors import MmerError
from mmer.training.recipes.recipe import Recipe, from_table, load_recipe, recipe_names

SOUND = 'name = "x"\ntask = "face"\nepochs = 1\nbatch = 2\nlearning_rate = 1e-3\n'


def test_there_is_a_recipe_for_each_modality() -> None:
    assert {"speech", "text", "face"} <= set(recipe_names())
    for name in recipe_names():
        assert load_recipe(name).epochs > 0


def test_the_readme_trains_first_what_a_recipe_starts_from() -> None:
    readme = (Path(__file__).parents[3] / "training/README.md").read_text(encoding="utf-8")
    loops = [line.split(";")[0].split()[3:] for line in readme.splitlines() if "for run in" in line]
    places = {run: (k, n) for k, runs in enumerate(loops) for n, run in enumerate(runs)}
    for name in recipe_names():
        for run in load_recipe(name).start:
            assert places[run][0] == places[name][0]
            assert places[run] < places[name], f"{name} starts from {run}"


def test_a_recipe_is_read_from_a_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(SOUND + "[options]\nwidths = [1, 2, 3]\n")
    recipe = load_recipe(str(path))
    assert (recipe.name, recipe.batch, recipe.seed) == ("x", 2, 1)
    assert recipe.options == {"widths": [1, 2, 3]}
    assert recipe.as_dict()["learning_rate"] == 1e-3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SOUND + "epoch = 3\n", "unknown epoch; known are .*epochs"),
        (SOUND.replace("batch = 2\n", ""), "batch"),
        (SOUND.replace("batch = 2", "batch = 0"), "batch must be a number above 0"),
        (
            SOUND.replace("epochs = 1", 'epochs = "many"'),
            "epochs is 'many', expected a whole number",
        ),
        (SOUND.replace("epochs = 1", "epochs = 1.5"), "epochs is 1.5, expected a whole number"),
        (SOUND + "average_decay = 1.0\n", "average_decay"),
        (SOUND + "seed = -1\n", "seed must be 0 or more"),
        (SOUND + "class_balance = true\n", "class_balance is True, expected a number"),
        (SOUND + "options = 3\n", "options is 3, expected a table"),
        (SOUND + 'precision = "int4"\n', "precision is 'int4', use float32 or float16 or int8"),
        ("name = ", "not sound TOML"),
    ],
)
def test_a_mistake_in_a_recipe_is_told(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(MmerError, match=message):
        load_recipe(str(path))


@pytest.mark.parametrize("name", ["smell", "no/such.toml", ""])
def test_a_missing_recipe_is_told_with_those_there_are(name: str) -> None:
    with pytest.raises(MmerError, match=r"no recipe .*face, .*fusion, .*speech, .*text"):
        load_recipe(name)


def test_a_recipe_that_is_no_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(MmerError, match="not sound TOML"):
        load_recipe(str(path))


def test_a_table_becomes_a_dataclass_or_a_message() -> None:
    table: dict[str, Any] = {"name": "x", "task": "t", "epochs": 1, "batch": 1}
    with pytest.raises(MmerError, match=r"here: .*learning_rate"):
        from_table(Recipe, table, "here")
    assert from_table(Recipe, table | {"learning_rate": 0.1}, "here").learning_rate == 0.1


def test_what_changes_the_trained_weights_changes_the_fingerprint() -> None:
    def fingerprint(**changes: Any) -> str:
        plain: dict[str, Any] = {"name": "x", "task": "t", "epochs": 1, "batch": 1}
        return Recipe(**(plain | {"learning_rate": 0.1} | changes)).fingerprint()

    assert fingerprint(options={"a": 1, "b": (2, 3)}) == fingerprint(options={"b": [2, 3], "a": 1})
    assert fingerprint(precision="int8") == fingerprint()
    for changes in ({"seed": 2}, {"options": {"a": 1}}, {"mixed_precision": "bf16"}, {"epochs": 2}):
        assert fingerprint(**changes) != fingerprint()


def test_the_old_name_of_a_task_is_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(SOUND.replace('"face"', '"combined"'))
    recipe = load_recipe(str(path))
    assert recipe.task == "multimodal"
    written = recipe.fingerprint().replace('"multimodal"', '"combined"')
    assert "combined" in written
    assert Recipe.from_fingerprint(written, "x").fingerprint() == recipe.fingerprint()
