"""Moonshine speech recognition (Jeffries et al. 2024, arXiv 2410.15608) by ONNX Runtime.

An encoder over raw samples and an autoregressive decoder, greedy. The network decodes whole
utterances, so partial hypotheses come from decoding the open utterance again. It gives no word
times: the packaged decoder does not output its cross-attention.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.engine import Engine, open_engine
from mmer.models.errors import MmerError
from mmer.realtime.asr.interface import Hypothesis
from mmer.realtime.asr.moonshine_vocabulary import END, START, Vocabulary
from mmer.realtime.messages import SAMPLE_RATE

HEADS: Final = 8
HEAD_WIDTH: Final = 36

NO_SPEECH: Final = -0.55
"""Mean token log-probability below which a transcript is dropped as invented.

Measured by ``mmer-bench asr --threshold-study``: a lower one keeps more wrong words than right
ones, a higher one drops more right words of clean speech than wrong ones (README of asr).
"""
SURE: Final = -0.1
"""Mean token log-probability from which a final transcript is accepted at once. Below it, the
sound is decoded between silences too, and the more probable transcript is taken, by its mean and by
its whole log-probability (README of asr)."""
DOUBTFUL: Final = -0.2
"""Mean token log-probability below which the second try must confirm the first."""
SPARSE: Final = 1.0
"""Tokens a second of long sound, below which the second try must confirm the first however sure the
decoder is: speech has some four."""
ALIKE: Final = 0.5
"""Similarity of two texts from which they confirm each other. Of a sound without speech the decoder
writes another text as soon as silence is added (README of asr)."""
LONG: Final = 8 * SAMPLE_RATE
"""Sound from which a second try costs too much to be made for what is unsure, but not doubtful."""
SILENCE_BEFORE: Final = SAMPLE_RATE // 4  # of the second try
SILENCE_AFTER: Final = SAMPLE_RATE // 10
TOKENS_PER_S: Final = 6.5
"""Longest transcript, as in the makers' code; a decoder that needs more is caught in a loop."""
SPARE_TOKENS: Final = 6
"""Added to it, for short utterances and their full stop."""
INVENTED: Final = frozenset({"You", "Thank you for watching.", "Thank you for watching!"})
"""Transcripts that the decoder is sure of for noise, music and near silence: subtitles of videos
are in its training. A spoken "you" is written with a full stop."""
MUSIC: Final = "♪"
"""How it marks music, whether or not it invents a text for it."""
LEAST_SAMPLES: Final = SAMPLE_RATE // 4
"""Shorter sound holds no word, and the decoder invents one ("You", 0.9 sure) for most of it."""
LONGEST_SAMPLES: Final = 30 * SAMPLE_RATE
"""Longer sound is decoded in pieces; the network was trained on 4 to 30 s."""
STEP_S: Final = 0.5
"""New sound that a partial hypothesis waits for."""
STEP_SHARE: Final = 0.1
"""The same as a share of the open utterance, where that is more: it bounds the cost of long ones.
Decoding t seconds costs some 0.03 t of a core, and 0.03 t / (0.1 t) is about 0.3 of a core."""


@dataclass(frozen=True)
class Decoded:
    """Tokens of a transcript without START and END, and how sure the decoder was of them."""

    tokens: tuple[int, ...]
    mean_log_prob: float  # natural, over the tokens and END; 0 for sound that was not decoded. Of
    # a phrase in a loop the first time alone counts: all others are nearly certain
    refuted: bool = False  # doubtful, and no second try wrote the same

    @property
    def log_prob(self) -> float:
        """Natural log-probability of the whole transcript."""
        return self.mean_log_prob * (len(self.tokens) + 1)


class MoonshineModel:
    """The two networks and the vocabulary; immutable, shared by streams and threads.

    ``no_speech`` is the mean token log-probability below which a transcript is dropped. None is the
    decoder alone, as the study of thresholds measures it: no transcript is dropped, neither by its
    probability nor as one of ``INVENTED``, no sound is too short, and there is no second try.

    Raises:
        MmerError: a file cannot be opened, or is of another network.
    """

    name = "moonshine"
    trust = 1.0

    def __init__(
        self,
        encoder: Path,
        decoder: Path,
        vocabulary: Path,
        no_speech: float | None = NO_SPEECH,
    ) -> None:
        self._encoder: Engine = open_engine(encoder, "cpu")
        self._decoder: Engine = open_engine(decoder, "cpu")
        self._vocabulary = Vocabulary.load(vocabulary)
        self._caches = [n for n in self._decoder.inputs if n.startswith("past_key_values.")]
        needed = {"input_ids", "encoder_hidden_states", "encoder_attention_mask"}
        if "input_values" not in self._encoder.inputs or not needed < {*self._decoder.inputs}:
            raise MmerError(f"{encoder} and {decoder} are not Moonshine's encoder and decoder")
        self._no_speech = no_speech
        self.description = f"moonshine ({encoder.parent.name})"

    def stream(self) -> MoonshineStream:
        return MoonshineStream(self)

    def decode(self, samples: NDArray[np.int16], draft: Sequence[int] = ()) -> Decoded:
        """Greedy transcript of int16 (n,); ``draft`` as in ``decode_while``."""
        decoded = self.decode_while(samples, draft, _always)
        assert decoded is not None  # it is wanted to the end
        return decoded

    def decode_while(
        self, samples: NDArray[np.int16], draft: Sequence[int], wanted: Callable[[], bool]
    ) -> Decoded | None:
        """Greedy transcript of int16 (n,); None where it was not ``wanted`` any more on the way.

        ``draft`` holds tokens of an earlier hypothesis: one call checks them all, those that greedy
        decoding chooses as well are kept, and the rest is decoded token by token (speculative
        decoding, Leviathan et al. 2023). The networks' 8 bits are scaled by all tokens of a call,
        so now and then a draft changes a word. What a final hypothesis starts from must depend on
        the sound alone.
        """
        missing = max(0, LEAST_SAMPLES - len(samples))
        if not samples.any() or (missing and self._no_speech is not None):
            return Decoded((), 0.0)
        samples = np.pad(samples, (0, missing))
        sound = samples.astype(np.float32)[None] / 32768  # shape (1, n)
        mask = np.ones(sound.shape, np.int64)  # at sample length, for the decoder too
        hidden = self._encoder.run({"input_values": sound, "attention_mask": mask})
        fixed = {
            "encoder_hidden_states": hidden["last_hidden_state"],  # shape (1, frames, 288)
            "encoder_attention_mask": mask,
        }
        most = round(sound.shape[1] / SAMPLE_RATE * TOKENS_PER_S) + SPARE_TOKENS
        draft = draft[: most - 1]  # what a call returns is one token longer than what it checks
        caches = {n: np.zeros((0, HEADS, 1, HEAD_WIDTH), np.float32) for n in self._caches}
        tokens: list[int] = []
        log_probs: list[float] = []
        pending = [START, *draft]  # tokens that the next call reads
        while wanted():
            first = not tokens
            out = self._decoder.run(
                {
                    "input_ids": np.array([pending], np.int64),
                    "use_cache_branch": np.array([not first]),
                    **fixed,
                    **caches,
                }
            )
            checked = pending[1:] if first else []
            accepted, scores = _accept(out["logits"][0], checked)
            tokens += accepted
            log_probs += scores
            if tokens[-1] == END or len(tokens) >= most:
                break
            read = len(tokens)  # START and all tokens but the newest lie in the caches
            for name in self._caches:
                array = out[name.replace("past_key_values", "present")]
                if "decoder" in name:
                    caches[name] = array[:, :, :read]
                elif first:  # the call with caches does not give these again
                    caches[name] = array
            pending = [tokens[-1]]
        else:
            return None
        if tokens[-1] == END:
            return Decoded(tuple(tokens[:-1]), float(np.mean(log_probs)))
        kept = cut_loop(tokens)
        return Decoded(tuple(kept), float(np.mean(log_probs[: len(kept)])))

    def decode_surest(
        self, samples: NDArray[np.int16], late: Callable[[], bool] | None = None
    ) -> Decoded:
        """Greedy transcript of int16 (n,), or a more probable one of the sound between silences.

        Sound that is no speech by itself stays so: a second try must not turn noise into words. It
        has the first transcript for its draft: mostly they differ in a word or two. Where it is
        ``late``, there is none; of long sound there is one only where it must confirm the first.
        """
        first = self.decode(samples)
        if self._no_speech is None or first.mean_log_prob < self._no_speech:
            return first
        doubtful = is_sparse(samples, first) or first.mean_log_prob < DOUBTFUL
        unsure = doubtful or (len(samples) <= LONG and first.mean_log_prob < SURE)
        if not unsure or (late is not None and late()):
            return first
        again = self.decode(np.pad(samples, (SILENCE_BEFORE, SILENCE_AFTER)), first.tokens)
        # by both, so that neither a shorter nor a longer transcript has an advantage
        surer = again.mean_log_prob > first.mean_log_prob and again.log_prob > first.log_prob
        best = again if surer and self.hypothesis(again).text else first
        if doubtful:
            texts = (self._vocabulary.text(d.tokens) for d in (first, again))
            return replace(best, refuted=similarity(*texts) < ALIKE)
        return best

    def hypothesis(self, decoded: Decoded) -> Hypothesis:
        """Transcript of what was decoded; empty, with the reason, where it is no speech."""
        text = self._vocabulary.text(decoded.tokens)
        if not any(c.isalnum() for c in text) or self._is_invented(text, decoded):
            return Hypothesis(self.name, style="asr", why="no speech")
        return Hypothesis(self.name, text, confidence=math.exp(decoded.mean_log_prob), style="asr")

    def _is_invented(self, text: str, decoded: Decoded) -> bool:
        if self._no_speech is None:
            return False
        improbable = decoded.mean_log_prob < self._no_speech or decoded.refuted
        return improbable or text in INVENTED or MUSIC in text


class MoonshineStream:
    """Utterances of one caller; decodes the open one again as it grows.

    Partial hypotheses start from the one before. What may be final is decoded without, so that it
    depends on the sound alone, not on the blocks that it came in. A partial one that is not
    wanted is left out, or left off between two tokens; late final ones get no second try.
    """

    def __init__(self, model: MoonshineModel) -> None:
        self._model = model
        self.ask_first(wanted=_always, late=_never)
        self.reset()

    def accept(self, samples: NDArray[np.int16], pause: bool = False) -> Hypothesis:
        self._pieces.append(samples)
        self._size += len(samples)
        new = self._size - self._decoded_size
        step = max(round(STEP_S * SAMPLE_RATE), round(STEP_SHARE * self._size))
        if pause:
            self._settle()
        elif new >= step and self._wanted():
            self._decode(self._draft)
        return self._hypothesis

    def finish(self) -> Hypothesis:
        """Final hypothesis: that of the last pause, where no sound came after it."""
        self._settle()
        final = self._hypothesis
        self.reset()
        return final

    def ask_first(self, wanted: Callable[[], bool], late: Callable[[], bool]) -> None:
        self._wanted, self._late = wanted, late

    def reset(self) -> None:
        self._pieces: list[NDArray[np.int16]] = []
        self._size = 0
        self._decoded_size = 0  # samples that the hypothesis covers
        self._settled_size = 0  # samples that a final one covers
        self._draft: tuple[int, ...] = ()
        self._hypothesis = Hypothesis(self._model.name, style="asr")

    def _settle(self) -> None:
        """Decode as a final transcript, where that has not been done."""
        if self._size > self._settled_size:
            self._decode(final=True)

    def _decode(self, draft: tuple[int, ...] = (), final: bool = False) -> None:
        sound = np.concatenate(self._pieces)
        self._pieces = [sound]
        parts = split_at_quiet(sound, LONGEST_SAMPLES)
        if len(parts) > 1:
            draft = ()
        decoded: list[Decoded] = []
        for part in parts:
            if final:
                made: Decoded | None = self._model.decode_surest(part, self._late)
            else:
                made = self._model.decode_while(part, draft, self._wanted)
                if made is not None and is_sparse(part, made):  # nothing confirms a partial one
                    made = replace(made, refuted=True)
            if made is None:
                return
            decoded.append(made)
        self._draft = decoded[0].tokens
        self._decoded_size = self._size
        sure = all(d.mean_log_prob >= SURE and not d.refuted for d in decoded)
        if final or (not draft and sure):
            self._settled_size = self._size
        self._hypothesis = _joined([self._model.hypothesis(d) for d in decoded])


def _always() -> bool:
    return True


def _never() -> bool:
    return False


def is_sparse(samples: NDArray[np.int16], decoded: Decoded) -> bool:
    """Whether the transcript of long sound has fewer tokens than speech would have."""
    return len(samples) > LONG and len(decoded.tokens) < SPARSE * len(samples) / SAMPLE_RATE


def _accept(logits: NDArray[np.float32], draft: Sequence[int]) -> tuple[list[int], list[float]]:
    """Greedy tokens and their log-probabilities: the draft's as far as it agrees, and one more.

    ``logits`` has shape (1 + len(draft), vocabulary); row k follows k tokens of the draft.
    """
    tokens: list[int] = []
    log_probs: list[float] = []
    for k, row in enumerate(logits):
        token = int(row.argmax())
        tokens.append(token)
        log_probs.append(-float(np.log(np.exp(row - row[token], dtype=np.float32).sum())))
        if k == len(draft) or token != draft[k]:
            break
    return tokens, log_probs


def similarity(a: str, b: str) -> float:
    """Share of the letters and digits of two texts that match in order, 0..1 (Ratcliff and
    Obershelp's measure); case does not count. 0 where one has none."""
    first, second = ("".join(c for c in text.lower() if c.isalnum()) for text in (a, b))
    if not first or not second:
        return 0.0
    return SequenceMatcher(None, first, second, autojunk=False).ratio()


def cut_loop(tokens: Sequence[int]) -> Sequence[int]:
    """Tokens whose end is one phrase over and over, with that phrase once.

    It is there at least three times, or twice where it has four tokens or more.
    """
    for period in range(1, len(tokens) // 2 + 1):
        start = len(tokens) - period
        while start > 0 and tokens[start - 1] == tokens[start - 1 + period]:
            start -= 1
        if len(tokens) - start >= (2 if period >= 4 else 3) * period:
            return tokens[: start + period]
    return tokens


def split_at_quiet(samples: NDArray[np.int16], longest: int) -> list[NDArray[np.int16]]:
    """The sound in pieces of at most ``longest`` samples, cut where it is quietest.

    Each cut lies in the last third of what still fits, in its quietest 20 ms.
    """
    parts: list[NDArray[np.int16]] = []
    frame = SAMPLE_RATE // 50
    while len(samples) > longest:
        earliest = longest * 2 // 3
        span = samples[earliest:longest]
        frames = span[: len(span) // frame * frame].reshape(-1, frame).astype(np.float32)
        cut = earliest + int(np.square(frames).sum(axis=1).argmin()) * frame + frame // 2
        parts.append(samples[:cut])
        samples = samples[cut:]
    return [*parts, samples]


def _joined(parts: Sequence[Hypothesis]) -> Hypothesis:
    """One hypothesis of those of consecutive pieces."""
    spoken = [part for part in parts if part.text]
    if len(parts) == 1 or not spoken:
        return parts[0]
    known = [part.confidence for part in spoken if part.confidence is not None]
    return Hypothesis(
        parts[0].asr,
        " ".join(part.text for part in spoken),
        confidence=sum(known) / len(known),
        style=parts[0].style,
    )
