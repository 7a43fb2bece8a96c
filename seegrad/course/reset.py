"""``python -m seegrad.course.reset``: all exercises as they were; the learner's are kept beside."""

from __future__ import annotations

from seegrad.course.exercises import all_exercises
from seegrad.course.tutor import reset


def main() -> None:
    """Reset each chapter's exercises, and say where the learner's versions are."""
    for chapter in sorted({exercise.chapter for exercise in all_exercises()}):
        print(reset(chapter))


if __name__ == "__main__":
    main()
