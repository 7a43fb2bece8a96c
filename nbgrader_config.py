"""What nbgrader needs to know to grade these exercises; INSTRUCTORS.md says how to use it."""

from pathlib import Path

from seegrad.course.worksheets import STUB

c = get_config()  # type: ignore[name-defined]  # noqa: F821

c.CourseDirectory.root = str(Path.cwd() / "grading")
c.CourseDirectory.course_id = "seegrad"

# The same stub as `make exercises` leaves: a notebook with it runs to its end.
c.ClearSolutions.code_stub = {"python": STUB}
