"""Writing a file so that nothing is lost: whole or not at all, and never over another."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from itertools import count
from pathlib import Path


def replace_text(path: Path, text: str) -> None:
    """Replace a file in one step: whoever reads it sees the old one or the new one."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    made = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as new:
            new.write(text)
            new.flush()
            os.fsync(new.fileno())
        if path.exists():
            made.chmod(path.stat().st_mode)
        made.replace(path)
    except BaseException:
        with suppress(OSError):
            made.unlink()
        raise


def copy_aside(path: Path, word: str) -> Path:
    """Copy a file beside itself, as ``name.word-1.suffix`` or the next number that is free."""
    return write_aside(path, word, path.read_bytes())


def write_aside(path: Path, word: str, content: bytes) -> Path:
    """Write beside a file, as ``name.word-1.suffix`` or the next number that is free."""
    for number in count(1):
        aside = path.with_suffix(f".{word}-{number}{path.suffix}")
        with suppress(FileExistsError), aside.open("xb") as kept:
            kept.write(content)
            return aside
    raise AssertionError("numbers do not end")
