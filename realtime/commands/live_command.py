"""Command line of `mmer-live`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from mmer.models.engine.providers import Provider
from mmer.models.errors import MmerError
from mmer.models.store.store import Store
from mmer.realtime.asr.registry import ASR_METAVAR
from mmer.realtime.choose import DETECTOR_METAVAR
from mmer.realtime.commands.command_line import Flag, Unrecognized, parse
from mmer.realtime.commands.output_options import OutputOptions, chosen
from mmer.realtime.commands.settings import Example, config_path, write_config
from mmer.realtime.open_sources import named_source
from mmer.realtime.options import Options, one_of, parse_modalities
from mmer.realtime.policy import DEFAULT_POLICY, POLICY_METAVAR, POLICY_NAMES, notice
from mmer.realtime.recordings import expire, header
from mmer.realtime.sinks.registry import OUTPUT_METAVAR

if TYPE_CHECKING:
    from mmer.realtime.commands.show import Views

Named = tyro.conf.arg(metavar="DEVICE|none")


@dataclass(frozen=True)
class Arguments:
    """Recognize emotion from speech, words and face, live, on this machine.

    Without SOURCE the default microphone and camera are used. Results are shown in the terminal
    and, with --output, written as JSON lines, which `mmer-live export RUN.jsonl FILE` turns into
    files of other programs.
    """

    source: Annotated[tyro.conf.Positional[str | None], tyro.conf.arg(metavar="[SOURCE]")] = None
    """Media file or URL; left out: microphone and camera."""
    audio: Annotated[str | None, Named, Example("USB Audio")] = None
    """Microphone: index, name or part of its name, or none."""
    video: Annotated[str | None, Named, Example("0")] = None
    """Camera: index, path, URL or GStreamer pipeline, or none."""
    modalities: str = "speech,text,face"
    """Modalities to use, separated by commas."""
    asr: Annotated[str, tyro.conf.arg(metavar=ASR_METAVAR)] = "auto"
    """Speech recognizer; auto: Moonshine's transcripts, with Vosk's partial ones where its model is
    on this machine; where only one of them can be had, that one."""
    detector: Annotated[str, tyro.conf.arg(metavar=DETECTOR_METAVAR)] = "auto"
    """Face detector; auto: blazeface."""
    provider: Provider = "auto"
    """What runs the networks; auto: the best that works; a named one that cannot run is an error.
    tensorrt builds its plans where mmer-engine build has not, which takes minutes, once."""
    weights: Annotated[Path | None, tyro.conf.arg(metavar="DIR"), Example("runs/mine")] = None
    """Folder with networks (NAME.onnx and NAME.json) to use in place of the shipped ones, or with a
    run that mmer-export wrote, which goes without them."""
    output: Annotated[
        tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar=OUTPUT_METAVAR)
    ] = ()
    """File for JSON lines, - for standard output; may be given several times."""
    outputs: Annotated[OutputOptions, tyro.conf.arg(name="", prefix_name=False)] = field(
        default_factory=OutputOptions
    )
    """Outputs for other programs."""
    record: Annotated[Path | None, tyro.conf.arg(metavar="DIR"), Example("runs/p07")] = None
    """Record sound, video and JSON lines in a new folder, which is a SOURCE afterwards. Record
    only people who have agreed."""
    consent: Annotated[str | None, tyro.conf.arg(metavar="TEXT"), Example("P07, form 3")] = None
    """Who has agreed to the recording, and how, for its header."""
    keep_days: Annotated[float | None, tyro.conf.arg(metavar="DAYS"), Example(90.0)] = None
    """Days after which a recording may be deleted: by the next --record in the folder above it,
    or by `mmer-live expire FOLDER`."""
    overlay: Annotated[Path | None, tyro.conf.arg(metavar="FILE.mp4"), Example("seen.mp4")] = None
    """Annotated MP4 of a file, with its sound; plays it at --pace max."""
    window: Flag = False
    """Show the video with the results drawn on it."""
    quiet: Flag = False
    """Show nothing in the terminal but errors."""
    pace: Annotated[Literal["real", "max"] | None, tyro.conf.arg(metavar="{real,max}")] = None
    """Playback of a file: in real time (real), or as fast as possible, with the same output to the
    byte each time (max)."""
    video_fps: float = 20.0
    """Most frames analysed a second."""
    window_s: float = 4.0
    """How far back an estimate looks, in seconds."""
    hop_s: float = 0.25
    """Seconds from one estimate to the next."""
    hangover_s: Annotated[float | None, tyro.conf.arg(metavar="SECONDS"), Example(0.3)] = None
    """Silence after which an utterance has ended, in seconds; by default it follows the speaker's
    pauses and the noise, between 0.2 and 0.5 s."""
    reconnect: bool = True
    """Wait for a microphone or camera that is lost, for as long as it takes; --no-reconnect: for 10
    s, then the session ends with status 2 where no other device is left."""
    people: Literal["largest", "speaking", "all"] = "largest"
    """Whose estimates: of the largest face; of the one of several who speaks; of everybody, each
    with the key "person"."""
    policy: Annotated[str, tyro.conf.arg(metavar=POLICY_METAVAR)] = DEFAULT_POLICY
    """What is analysed and kept: all (open); words alone, without a camera (text-only); or all, and
    options that write files are refused (no-store)."""
    baseline: Annotated[str, tyro.conf.arg(metavar="session|none|FILE")] = "none"
    """Correct voice and face for how this person sounds and looks: learned in the session, without
    labels, or from a file that --calibrate wrote."""
    calibrate: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Read a text aloud for a minute; writes FILE for --baseline, without sound or pictures."""
    offline: Flag = False
    """Never use the network (also: MMER_OFFLINE=1)."""
    demo: Flag = False
    """Recognize the bundled clip and print one line an utterance."""
    config: Annotated[Path | None, tyro.conf.arg(metavar="FILE.toml")] = None
    """File with settings, by the names of these options. MMER_NAME variables go before it, the
    command line before both."""
    write_config: Flag = False
    """Write mmer.toml with all settings: those of this command line, the others as comments."""
    check: Flag = False
    """Check the installation: what is missing and how to get it."""
    list_devices: Flag = False
    """Show microphones and cameras."""
    fetch: Flag = False
    """Download every model, so that this machine can go offline."""
    notice: Flag = False
    """Show the notice for the people in front of microphone and camera; --policy chooses it."""
    version: Flag = False
    """Show mmer's version."""


def run(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and do what it says; the exit status."""
    given = sys.argv[1:] if argv is None else argv
    if given[:1] == ["export"]:  # a media file of that name: ./export
        from mmer.realtime.commands.export_command import run as run_export

        return run_export(given[1:])
    if given[:1] == ["expire"]:
        return _expire(given[1:])
    try:
        return _run(parse(Arguments, "mmer-live", given))
    except Unrecognized as error:
        if error.options:
            raise
        raise MmerError(
            "one SOURCE at a time; for several files: mmer-batch FILES --output DIR"
        ) from error


def _run(arguments: Arguments) -> int:
    if arguments.version:
        from mmer import __version__

        print(f"mmer-live {__version__}")
        return 0
    if arguments.write_config:
        _views(arguments).check(_options(arguments))
        write_config(arguments, Path("mmer.toml"))
        left, use = "", "--config mmer.toml"
        if (source := arguments.source) is not None:
            left, use = f", without the source ({source})", f"mmer-live {quote(source)} {use}"
        print(f"mmer-live: wrote mmer.toml{left}; use it by {use}", file=sys.stderr)
        return 0
    if arguments.notice:
        one_of("--policy", arguments.policy, POLICY_NAMES)
        print(notice(arguments.policy))
        return 0
    if arguments.list_devices:
        from mmer.realtime.devices import list_devices

        print(list_devices())
        return 0
    if arguments.check or arguments.fetch:
        store = Store(offline=arguments.offline or None)
        if arguments.check:
            from mmer.realtime.commands.check import check, render

            report = check(store)
            render(report)
            return report.exit_code
        return _fetch(store)
    views = _views(arguments)
    if arguments.calibrate is not None:
        from mmer.realtime.commands.calibrate import calibrate

        if views.outputs or views.overlay is not None or views.window:
            raise MmerError(
                f"--calibrate writes {arguments.calibrate} alone: leave outputs, --overlay and "
                "--window out"
            )
        return calibrate(_options(arguments), arguments.calibrate, views.config)
    from mmer.realtime.commands.show import show

    return show(_options(arguments), views)


def _views(arguments: Arguments) -> Views:
    """Outputs and views that were asked for."""
    from mmer.realtime.commands.show import Views

    targets, settings = chosen(arguments.output, arguments.outputs)
    return Views(
        outputs=targets,
        settings=settings,
        overlay=arguments.overlay,
        window=arguments.window,
        quiet=arguments.quiet,
        lines_only=arguments.demo,
        config=config_path(arguments),
    )


def _options(arguments: Arguments) -> Options:
    source = arguments.source
    if arguments.demo:
        if source is not None:
            raise MmerError(f"--demo plays the bundled clip: leave {source} out")
        from mmer.realtime.demo import clip

        source = str(clip())
    elif source is not None:
        source = named_source(source)
    if arguments.overlay is not None and (source is None or arguments.pace == "real"):
        raise MmerError("--overlay needs a media file played at --pace max")
    at_once = arguments.overlay is not None or (arguments.calibrate is not None and source)
    chosen: dict[str, Any] = {
        "source": source,
        "modalities": parse_modalities(arguments.modalities),
        "pace": arguments.pace or ("max" if at_once else "real"),
    }
    same = {f.name: getattr(arguments, f.name) for f in fields(Options) if f.name not in chosen}
    return Options(**chosen, **same)


def _expire(argv: Sequence[str]) -> int:
    if len(argv) != 1 or argv[0].startswith("-"):
        raise MmerError(
            "usage: mmer-live expire FOLDER, which deletes the recordings in it that "
            "are past their --keep-days"
        )
    folder = Path(argv[0])
    if header(folder) is not None:
        raise MmerError(
            f"{folder} is a recording itself; the recordings in a folder are looked at: "
            f"mmer-live expire {folder.absolute().parent}"
        )
    deleted = expire(folder)
    for recording in deleted:
        print(f"deleted {recording}")
    if not deleted:
        print(f"mmer-live: nothing in {folder} is past its --keep-days", file=sys.stderr)
    return 0


def _fetch(store: Store) -> int:
    failed = False
    for asset, got in store.fetch_all():
        failed = failed or isinstance(got, str)
        print(f"{asset.name}: {got}")
    return 2 if failed else 0
