"""The words that were really said, revealed as they are said: what a perfect recognizer gives."""

from __future__ import annotations

from collections.abc import Sequence

from mmer.realtime.messages import Message, SpeechState, SpeechUpdate, Transcript, Word


def timed(sentence: str, begin: float, end: float) -> tuple[Word, ...]:
    """The words of ``sentence``, spread over ``begin``..``end`` seconds by their letters."""
    texts = sentence.split()
    letters = sum(map(len, texts))
    words, before = [], 0
    for text in texts:
        t0, t1 = (begin + (end - begin) * n / letters for n in (before, before + len(text)))
        words.append(Word(text, t0, t1, 1.0))
        before += len(text)
    return tuple(words)


class GoldWords:
    """SpeechUpdate -> Transcript, as the block ``Transcriber``, but of words that are known.

    While the person speaks, a word is there as soon as it has ended. Of an utterance that is over,
    its final holds every word whose middle lies in it.
    """

    def __init__(self, words: Sequence[Word]) -> None:
        self._words = tuple(words)
        self._said: tuple[Word, ...] = ()

    def push(self, message: Message) -> Sequence[Transcript]:
        """Take an update; other messages are ignored."""
        if not isinstance(message, SpeechUpdate):
            return ()
        ended = message.state is SpeechState.ENDED
        inside = [w for w in self._words if message.t0 <= (w.t0 + w.t1) / 2 < message.t1]
        said = tuple(w for w in inside if ended or w.t1 <= message.t1)
        if said == self._said and not ended:
            return ()
        self._said = () if ended else said
        return (
            Transcript(
                message.utterance,
                message.t0,
                message.t1,
                " ".join(w.text for w in said),
                partial=not ended,
                asr="gold",
                words=said,
                confidence=1.0,
                style="written",
            ),
        )

    def flush(self) -> Sequence[Transcript]:
        """Nothing: the end of an utterance comes as an update."""
        return ()

    def reset(self) -> None:
        """Forget the utterance under way."""
        self._said = ()
