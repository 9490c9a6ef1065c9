"""Several outputs of one session: one that fails costs itself alone."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from mmer.models.errors import MmerError
from mmer.realtime.messages import Message, Notice, SessionEnd
from mmer.realtime.sinks.output import ReaderGone
from mmer.realtime.sinks.outputs import Outputs
from mmer.realtime.sinks.sink import SessionInfo, Sink


class Tape(Sink):
    def __init__(self, problem: Exception | None = None, news: tuple[str, ...] = ()) -> None:
        self.problem, self.news = problem, list(news)
        self.events: list[Message] = []
        self.ends: list[SessionEnd | None] = []

    def open(self, info: SessionInfo) -> None:
        self.events = []

    def write(self, event: Message, now: float | None) -> None:
        if self.problem is not None:
            raise self.problem
        self.events.append(event)

    def close(self, end: SessionEnd | None) -> None:
        self.ends.append(end)

    def reports(self) -> list[str]:
        news, self.news = self.news, []
        return news

    @property
    def notices(self) -> list[str]:
        return [e.text for e in self.events if isinstance(e, Notice) and e.about == "output"]


def play(outputs: Outputs, make: SimpleNamespace) -> None:
    outputs.open(make.info())
    try:
        for event in make.session():
            outputs.write(event, None)
    finally:
        outputs.close(make.end)


FAULTS = [RuntimeError("no\nway"), ValueError("x"), KeyError("k"), AssertionError(), TypeError()]


@pytest.mark.parametrize("problem", FAULTS, ids=lambda problem: type(problem).__name__)
@pytest.mark.parametrize("where", ["write", "reports", "write and close"])
def test_a_fault_of_an_output_costs_it_alone_and_is_logged(
    make: SimpleNamespace, caplog: pytest.LogCaptureFixture, problem: Exception, where: str
) -> None:
    class Bad(Tape):
        def reports(self) -> list[str]:
            if where == "reports":
                raise problem
            return []

        def close(self, end: SessionEnd | None) -> None:
            super().close(end)
            if "close" in where:
                raise problem

    bad, good, view = Bad(problem if "write" in where else None), Tape(), Tape()
    outputs = Outputs([bad, good], [view])
    play(outputs, make)
    assert len([e for e in good.events if not isinstance(e, Notice)]) == len(make.session()) - 1
    assert bad.ends == [None]
    assert good.ends == view.ends == [make.end]
    assert outputs.lost is problem
    (said,) = good.notices
    assert view.notices == [said]
    assert said.startswith(f"the output Bad failed ({type(problem).__name__}")
    assert said.endswith("); the rest goes on")
    assert " ".join(str(problem).split()) in said
    assert caplog.records[0].exc_info is not None
    assert caplog.records[0].exc_info[1] is problem
    assert len(caplog.records) == 1 + ("close" in where)


@pytest.mark.parametrize("problem", [RuntimeError("no"), MmerError("gone")])
def test_a_vital_output_that_fails_ends_the_session(
    make: SimpleNamespace, problem: Exception
) -> None:
    bad, good = Tape(problem), Tape()
    with pytest.raises(type(problem)):
        play(Outputs([bad, good], vital=bad), make)
    assert good.ends == [make.end]


@pytest.mark.parametrize("problem", [MmerError("the disk is full"), OSError("gone"), ReaderGone()])
def test_one_of_several_that_fails_costs_itself_alone(
    make: SimpleNamespace, problem: Exception
) -> None:
    bad, good, view = Tape(problem), Tape(), Tape()
    outputs = Outputs([bad, good], [view])
    play(outputs, make)
    assert len([e for e in good.events if not isinstance(e, Notice)]) == len(make.session()) - 1
    assert bad.ends == [None]
    assert good.ends == view.ends == [make.end]
    assert outputs.lost is problem
    said = [] if isinstance(problem, ReaderGone) else [f"{problem}; the rest goes on"]
    assert good.notices == view.notices == said


def test_the_last_output_that_fails_ends_the_session(make: SimpleNamespace) -> None:
    problem, view = MmerError("the disk is full"), Tape()
    with pytest.raises(MmerError, match="the disk is full"):
        play(Outputs([Tape(problem), Tape(problem)], [view]), make)
    assert view.ends == [make.end]


def test_a_view_that_is_lost_costs_no_output(make: SimpleNamespace) -> None:
    good = Tape()
    outputs = Outputs([good], [Tape(ReaderGone())])
    play(outputs, make)
    assert good.ends == [make.end]
    assert isinstance(outputs.lost, ReaderGone)
    with pytest.raises(ReaderGone):
        play(Outputs([], [Tape(ReaderGone()), Tape()]), make)


def test_news_of_an_output_is_a_notice_once(make: SimpleNamespace) -> None:
    sender, other = Tape(news=("the broker is gone",)), Tape()
    outputs = Outputs([sender, other])
    play(outputs, make)
    assert sender.notices == other.notices == ["the broker is gone"]
    assert outputs.last_words() == []


def test_news_at_the_end_is_said_last(make: SimpleNamespace) -> None:
    sender = Tape()
    outputs = Outputs([sender])
    outputs.open(make.info())
    sender.news.append("two messages were not delivered")
    outputs.close(make.end)
    assert outputs.last_words() == ["two messages were not delivered"]
