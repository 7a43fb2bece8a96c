"""Where the course lies."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
CHAPTERS = REPOSITORY / "chapters"
EXERCISES = REPOSITORY / "exercises"
SOLUTIONS = REPOSITORY / "solutions"


def chapters() -> list[Path]:
    """Which chapters are there, in reading order?"""
    return sorted(CHAPTERS.glob("*.ipynb"))


def solutions() -> list[Path]:
    """Which notebooks of exercises with their solutions are there?"""
    return sorted(SOLUTIONS.glob("*.ipynb"))


def exercises() -> list[Path]:
    """Which notebooks of exercises are made from them?"""
    return [EXERCISES / path.name for path in solutions()]


def notebooks() -> list[Path]:
    """Which notebooks are committed with their outputs? Exercises are for the learner to run."""
    return [*chapters(), *solutions()]
