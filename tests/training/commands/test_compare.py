import json
from pathlib import Path

import numpy as np
import pytest

from mmer.training.commands.compare import main
from mmer.training.metrics.predictions import FILE, Predictions

N = 400
LABELS = np.random.default_rng(0).integers(7, size=N)


def predictions(right: float, seed: int, folds: bool = False) -> Predictions:
    rng = np.random.default_rng(seed)
    said = np.where(rng.random(N) < right, LABELS, (LABELS + rng.integers(1, 7, N)) % 7)
    probs = np.full((N, 7), 0.05)
    probs[np.arange(N), said] = 0.7
    return Predictions(
        np.array([f"corpus/test/{k}" for k in range(N)]),
        np.array([f"corpus/speaker {k % 20}" for k in range(N)]),
        LABELS,
        np.log(probs),
        np.arange(N) % 5 if folds else np.full(N, -1),
        "made up",
    )


def told(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit) as stopped:
        main([str(a) for a in arguments])
    out, error = capsys.readouterr()
    assert stopped.value.code == 2
    assert out == ""
    assert error.startswith("mmer-compare: ")
    assert error.count("\n") == 1
    return error


def test_the_better_one_is_found_among_equals(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "b").mkdir()
    a, b, c, out = (tmp_path / name for name in ("a.npz", "b", "c.npz", "out.json"))
    predictions(0.5, 1, folds=True).save(a)
    shuffled = predictions(0.7, 2, folds=True).of(np.random.default_rng(0).permutation(N))
    shuffled.save(b / FILE)
    predictions(0.5, 3).save(c)
    command = [*(str(path) for path in (a, b, c)), "--json", str(out), "--resamples", "500"]
    main(command)
    text = capsys.readouterr().out
    assert "400 items, resampled by 20 groups" in text
    assert "5 folds, weighted F1" in text
    assert "after Holm" in text
    found = json.loads(out.read_text())
    assert found["reference"]["n"] == N
    better, equal = found["others"]
    assert better["differences"]["weighted_f1"]["low"] > 0
    assert better["corrected"]["mcnemar"] < 0.01
    assert better["corrected"]["mcnemar"] == pytest.approx(2 * better["mcnemar"]["p"])
    assert better["folds"]["accuracy"]["k"] == 5
    assert equal["corrected"]["weighted_f1"] > 0.05
    assert equal["folds"] is None
    main(command)
    assert capsys.readouterr().out == text


def test_items_that_not_all_have_are_told_and_left_out_on_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = tmp_path / "a.npz", tmp_path / "b.npz"
    predictions(0.5, 1).of(range(390)).save(a)
    predictions(0.7, 2).of(range(20, N)).save(b)
    error = told(capsys, a, b)
    assert "in all of them 370" in error
    assert "--common" in error
    main([str(a), str(b), "--common", "--resamples", "100"])
    out = capsys.readouterr().out
    assert "370 items" in out
    assert "30 items are left out" in out


def test_mistakes_are_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = tmp_path / "a.npz", tmp_path / "b.npz"
    predictions(0.5, 1).save(a)
    assert "no predictions at" in told(capsys, a, b)
    assert "named twice" in told(capsys, a, a)
    assert "name two" in told(capsys, a)
    p = predictions(0.5, 2)
    other = Predictions(p.ids, p.groups, (p.labels + 1) % 7, p.log_probs, p.fold, p.what)
    other.save(b)
    assert "do not agree on what is right for 400 items, first corpus/test/0" in told(capsys, a, b)
    renamed = np.array([f"x{k}" for k in range(N)])
    Predictions(renamed, p.groups, p.labels, p.log_probs, p.fold, p.what).save(b)
    assert "no item is in all of them" in told(capsys, a, b)
    predictions(0.5, 3).save(b)
    other_name = a.parent / "link"
    other_name.symlink_to(b)
    for path in (b, other_name):
        assert "it is the input itself" in told(capsys, a, b, "--json", path)
    assert "there is no folder" in told(capsys, a, b, "--json", a.parent / "no" / "x.json")
    assert "--seed is -1" in told(capsys, a, b, "--seed", -1)
    assert "100 or more" in told(capsys, a, b, "--resamples", "10")
    assert "cannot write" in told(capsys, a, b, "--json", tmp_path / "no" / "x", "--resamples", 100)
