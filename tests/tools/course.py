"""Where the course lies."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
CHAPTERS = REPOSITORY / "chapters"


def chapters() -> list[Path]:
    """Which chapters are there, in reading order?"""
    return sorted(CHAPTERS.glob("*.ipynb"))


def notebooks() -> list[Path]:
    """Which notebooks are there in all, exercises and solutions included?"""
    folders = (CHAPTERS, REPOSITORY / "exercises", REPOSITORY / "solutions")
    return [path for folder in folders for path in sorted(folder.glob("*.ipynb"))]
