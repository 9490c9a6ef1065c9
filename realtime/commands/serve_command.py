"""Command line of `mmer-serve`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from mmer.realtime.commands.command_line import Flag, parse
from mmer.realtime.commands.output_options import ServerOutputOptions, chosen
from mmer.realtime.commands.recognizer_arguments import RecognizerArguments
from mmer.realtime.options import Options, parse_modalities
from mmer.realtime.policy import DEFAULT_POLICY, POLICY_METAVAR


@dataclass(frozen=True)
class Arguments(RecognizerArguments):
    """Serve the recognizer to other programs and to browsers: a page, a WebSocket, HTTP.

    It prints the page's address with its token, and runs until Ctrl-C. The options of the
    recognizer are what holds where a client chooses none.
    """

    host: str = "127.0.0.1"
    """Address to listen on; any but this machine's own needs --tls and a token."""
    port: int = 8765
    """Port; 0 for any that is free."""
    token: str = "auto"
    """What clients must give: auto (a new one at each start), none, or a text."""
    tls: Annotated[str | None, tyro.conf.arg(metavar="self-signed|CERT,KEY")] = None
    """TLS: a certificate made at each start, or files in PEM."""
    name: tuple[str, ...] = ()
    """Further names by which browsers call this server."""
    max_sessions: int = 8
    """Most sessions at once."""
    idle_s: float = 60.0
    """Seconds without sound, frames or text after which a session ends."""
    longest_s: float = 14_400.0
    """Longest session, in seconds."""
    open: Flag = False
    """Open the page in the browser."""
    people: Literal["largest", "speaking", "all"] = "largest"
    """Whose estimates, as in mmer-live."""
    policy: Annotated[str, tyro.conf.arg(metavar=POLICY_METAVAR)] = DEFAULT_POLICY
    """What is analysed and kept, as in mmer-live; with no-store, files are not taken."""
    baseline: Literal["session", "none"] = "none"
    """Correct voice and face for each session's person, as in mmer-live; learned in the session."""
    output: Annotated[
        tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="FILE|NAME:ADDRESS")
    ] = ()
    """Output of the streams' sessions, as in mmer-live but for standard output: JSON lines in a
    file, or another one, such as transcript:{session}.txt. {session} in its address becomes the
    session's name, and files must have it."""
    outputs: Annotated[ServerOutputOptions, tyro.conf.arg(name="", prefix_name=False)] = field(
        default_factory=ServerOutputOptions
    )
    """Outputs for other programs."""
    config: Annotated[Path | None, tyro.conf.arg(metavar="FILE.toml")] = None
    """File with settings, by the names of these options, as in mmer-live."""
    version: Flag = False
    """Show mmer's version."""


_SHARED = (
    "asr", "detector", "video_fps", "window_s", "hop_s", "hangover_s", "policy", "baseline",
    "people",
)  # fmt: skip


def run(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and serve; the exit status."""
    arguments = parse(Arguments, "mmer-serve", sys.argv[1:] if argv is None else argv)
    if arguments.version:
        from mmer import __version__

        print(f"mmer-serve {__version__}")
        return 0
    from mmer.realtime.serve.limits import Limits
    from mmer.realtime.serve.server import ServeOptions
    from mmer.realtime.serve.server import run as serve
    from mmer.realtime.serve.session_outputs import SessionOutputs

    defaults: dict[str, Any] = {name: getattr(arguments, name) for name in _SHARED}
    defaults["modalities"] = parse_modalities(arguments.modalities)
    Options(  # refuses what the recognizer would
        source="stream",
        provider=arguments.provider,
        weights=arguments.weights,
        offline=arguments.offline,
        **defaults,
    )
    targets, settings = chosen(arguments.output, arguments.outputs, has_source=False)
    options = ServeOptions(
        host=arguments.host,
        port=arguments.port,
        token=arguments.token,
        tls=arguments.tls,
        names=arguments.name,
        limits=Limits(
            max_sessions=arguments.max_sessions,
            idle_s=arguments.idle_s,
            longest_s=arguments.longest_s,
        ),
        weights=arguments.weights,
        provider=arguments.provider,
        offline=arguments.offline,
        defaults=defaults,
        outputs=SessionOutputs(targets, settings),
    )
    return serve(options, arguments.open)
