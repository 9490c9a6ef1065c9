"""Text rows: MELD as written, as recognized, with more and less context; other corpora."""

from __future__ import annotations

from typing import Any, Final

from mmer.benchmarks.accuracy.row import Kind, Row, evaluated

MELD: Final = "text/meld"


def _meld(name: str, condition: str, options: str = "", note: str = "", **given: Any) -> Row:
    return Row(
        key=f"text.meld.{name}",
        group="text",
        data="MELD dev",
        condition=condition,
        kind="development",
        headline="weighted_f1",
        measure=evaluated("text", "meld", MELD, "dev", **given),
        needs=(f"{MELD}/dev_sent_emo.csv",),
        command=f"mmer-evaluate text --dataset meld --root DATA/{MELD} --split dev{options}",
        anchors="text.meld" if name == "clean" else "",
        in_readme=name in ("clean", "punctuated", "asr", "errors_15", "errors_30"),
        note=note,
    )


def _other(dataset: str, split: str, data: str, kind: Kind, note: str = "") -> Row:
    folder = "tweeteval_emotion" if dataset == "tweeteval" else dataset
    table = f"text/{folder}/{split}.tsv.gz"
    return Row(
        key=f"text.{dataset}.clean",
        group="text",
        data=data,
        condition="as written",
        kind=kind,
        headline="macro_f1",
        measure=evaluated("text", dataset, f"text/{folder}", split),
        needs=(table,),
        command=f"mmer-evaluate text --dataset {dataset} --root DATA/text/{folder} --split {split}",
        in_readme=kind == "out of domain",
        note=note,
    )


TEXT_ROWS: Final = (
    _meld("clean", "as written", note="dialogue of a television series"),
    _meld("punctuated", "as a recognizer that punctuates", " --style asr", style="asr"),
    _meld("asr", "lower case, no punctuation", " --style bare", style="bare"),
    *(
        _meld(
            f"errors_{percent}",
            f"{percent} % word errors, simulated",
            f" --word-error-rate {percent / 100:g}",
            word_error_rate=percent / 100,
        )
        for percent in (15, 30)
    ),
    *(
        _meld(
            f"context_{n}",
            f"as written, {n} earlier utterance{'' if n == 1 else 's'}",
            f" --context {n}",
            context=n,
        )
        for n in range(5)
    ),
    _other("emorynlp", "dev", "EmoryNLP dev", "in domain", "no disgust, no surprise"),
    _other("goemotions", "dev", "GoEmotions dev", "in domain", "comments, one label each"),
    _other("dailydialog", "dev", "DailyDialog dev", "in domain", "88 % neutral"),
    _other("isear", "all", "ISEAR", "out of domain", "situations told, none neutral"),
    _other("carer", "dev", "CARER dev", "out of domain", "tweets, labels by hashtag, none neutral"),
    _other("tweeteval", "dev", "TweetEval emotion dev", "out of domain", "tweets, three classes"),
)
