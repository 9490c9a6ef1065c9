"""A speech recognizer in a process of its own.

One that holds the interpreter's lock while it decodes would hold up every other thread: pictures
would wait for words. Requests and answers go, pickled, through the child's standard streams.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import weakref
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmer.models.errors import MmerError
from mmer.realtime.blocks.recognizer import Hypothesis, SpeechRecognizer

END_S: Final = 5.0
"""How long the child may take to end once it is told to."""


class RecognizerProcess:
    """``kind`` made and run in a child process, which ends with this object or with ``close``.

    It sees the modules that this process sees, and neither its Ctrl-C nor its standard input.
    Raises what ``kind`` raises; MmerError if the child cannot start or has died.
    """

    def __init__(self, kind: type[SpeechRecognizer]) -> None:
        self.name = kind.name
        self.trust = kind.trust
        code = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import serve; serve()"
        try:
            self._child = subprocess.Popen(
                [sys.executable, "-I", "-c", code],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                **_apart(),
            )
        except OSError as error:
            raise MmerError(f"the process of {kind.name} cannot start: {error}") from error
        self.close = weakref.finalize(self, _end, self._child)
        """End the child; harmless when repeated, and done for who forgets it."""
        self._ask(None, kind)

    def accept(self, samples: NDArray[np.int16]) -> Hypothesis:
        """See ``SpeechRecognizer``."""
        heard: Hypothesis = self._ask("accept", samples)
        return heard

    def finish(self) -> Hypothesis:
        """See ``SpeechRecognizer``."""
        heard: Hypothesis = self._ask("finish")
        return heard

    def reset(self) -> None:
        """See ``SpeechRecognizer``."""
        self._ask("reset")

    def _ask(self, method: str | None, *arguments: Any) -> Any:
        requests, answers = self._child.stdin, self._child.stdout
        assert requests is not None
        assert answers is not None
        try:
            pickle.dump((method, arguments), requests)
            requests.flush()
            error, answer = pickle.load(answers)
        except (OSError, EOFError, ValueError) as problem:  # ValueError: closed
            self.close()
            raise MmerError(
                f"the process of {self.name} has ended (status {self._child.returncode})"
            ) from problem
        if error is not None:
            raise error
        return answer


def serve() -> None:
    """The child: answer requests until there are no more."""
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no answer
    recognizer: Any = None
    while True:
        try:
            method, arguments = pickle.load(requests)
        except EOFError:
            return
        answer, failure = None, None
        try:
            if method is None:
                recognizer = arguments[0]()
            else:
                answer = getattr(recognizer, method)(*arguments)
        except Exception as error:  # noqa: BLE001  raised again by the parent
            failure = error
        pickle.dump((failure, answer), answers)
        answers.flush()


def _apart() -> dict[str, Any]:
    """How to start a process that the terminal's Ctrl-C does not reach."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def _end(child: subprocess.Popen[bytes]) -> None:
    for pipe in (child.stdin, child.stdout):
        assert pipe is not None
        try:
            pipe.close()
        except BrokenPipeError:  # it died with a request on its way
            continue
    try:
        child.wait(END_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
