"""RESULTS.md, section by section: each benchmark writes its own and leaves the others alone."""

from __future__ import annotations

from pathlib import Path

RESULTS = Path(__file__).parent / "RESULTS.md"


def write(name: str, section: str, path: Path = RESULTS) -> None:
    """Put a section in the place of its former self, or at the end.

    A section stands between ``<!-- name -->`` and ``<!-- /name -->``, which Markdown does not show.
    """
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
    text = path.read_text("utf-8") if path.exists() else ""
    before, found, rest = text.partition(begin)
    after = rest.partition(end)[2] if found else ""
    if not found and before:
        before = before.rstrip("\n") + "\n\n"
    path.write_text(f"{before}{begin}{section}{end}{after}", "utf-8")
