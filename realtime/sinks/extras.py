"""Optional packages of the outputs: imported where they are used, the error names the extra."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from mmer.models.errors import MmerError


def load_package(module: str, extra: str, wants: str) -> Any:
    """The module; MmerError says that ``wants`` (an option, a suffix) needs ``extra``."""
    try:
        return import_module(module)
    except Exception as error:  # a broken package may raise anything: pylsl raises RuntimeError
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        text = f"{wants} needs the extra: pip install 'mmer-live[{extra}]' ({reason})"
        raise MmerError(text) from error
