"""The links that open a chapter on Binder or on a JupyterHub (`make links` writes them).

Where the course is published stands in `published.toml` and nowhere else. Binder's links are in
README.md and the hub's in INSTRUCTORS.md, each between two comments that name their block.
"""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import nbformat

from tests.tools.course import REPOSITORY, chapters

PUBLISHED = Path(__file__).with_name("published.toml")
UNSET = "OWNER/REPO"
BADGE = "https://mybinder.org/badge_logo.svg"

NOT_YET = f"""\
These links lead nowhere yet: this copy has no public address. Put it into
[classroom/published.toml](classroom/published.toml) in place of {UNSET}, and say `make links`.
"""


@dataclass(frozen=True)
class Published:
    """Where this copy of the course is to be had.

    Attributes
    ----------
    repository: owner and name on GitHub, such as `ada/seegrad`.
    branch: the branch or tag that learners get.
    hub: the address of the instructor's JupyterHub.
    """

    repository: str
    branch: str
    hub: str

    @classmethod
    def read(cls) -> "Published":
        """Read what `published.toml` says."""
        return cls(**tomllib.loads(PUBLISHED.read_text("utf-8")))

    def on_binder(self, path: str) -> str:
        """Which link opens this file of the course on mybinder.org?

        >>> Published("ada/seegrad", "main", "").on_binder("chapters/04_detach.ipynb")
        'https://mybinder.org/v2/gh/ada/seegrad/main?urlpath=lab%2Ftree%2Fchapters%2F04_detach.ipynb'
        """
        query = urlencode({"urlpath": f"lab/tree/{path}"})
        return f"https://mybinder.org/v2/gh/{self.repository}/{self.branch}?{query}"

    def on_hub(self, path: str) -> str:
        """Which link brings the course into a learner's folder on the hub, and opens this file?

        It is nbgitpuller's: what a learner has changed is kept, what the course has changed comes.

        >>> link = Published("ada/course", "main", "https://hub.example.org").on_hub("README.md")
        >>> link.partition("&urlpath=")[2]
        'lab%2Ftree%2Fcourse%2FREADME.md'
        """
        folder = self.repository.rpartition("/")[2]
        query = urlencode(
            {
                "repo": f"https://github.com/{self.repository}",
                "branch": self.branch,
                "urlpath": f"lab/tree/{folder}/{path}",
            }
        )
        return f"{self.hub}/hub/user-redirect/git-pull?{query}"


def main() -> None:
    """Write the links into README.md and INSTRUCTORS.md."""
    for name, lines in blocks(Published.read()).items():
        page = REPOSITORY / name
        page.write_text(with_block(page.read_text("utf-8"), lines), encoding="utf-8")


def blocks(published: Published) -> dict[str, str]:
    """What should stand between the two comments, in each page that has links?"""
    notice = f"{NOT_YET}\n" if published.repository == UNSET else ""
    binder = [
        f"| {title(path)} | [![open on Binder]({BADGE})]({published.on_binder(in_course(path))}) |"
        for path in chapters()
    ]
    hub = [f"| {title(path)} | <{published.on_hub(in_course(path))}> |" for path in chapters()]
    return {
        "README.md": notice + table("on Binder", binder),
        "INSTRUCTORS.md": notice + table("link for your learners", hub),
    }


def table(heading: str, rows: list[str]) -> str:
    """A table of a chapter and its link in each row."""
    return "\n".join([f"| chapter | {heading} |", "|---|---|", *rows]) + "\n"


def with_block(page: str, lines: str) -> str:
    r"""The page with these lines between its two comments.

    Raises
    ------
    ValueError: the page does not have exactly one such place.

    >>> print(with_block("A\n<!-- links -->\nold\n<!-- /links -->\nB\n", "new\n"), end="")
    A
    <!-- links -->
    new
    <!-- /links -->
    B
    """
    pattern = r"(<!-- links.*?-->\n).*?(<!-- /links -->)"
    new, count = re.subn(pattern, lambda m: f"{m[1]}{lines}{m[2]}", page, flags=re.S)
    if count != 1:
        raise ValueError(f"a page has one place for links, between two comments; here are {count}")
    return new


def in_course(path: Path) -> str:
    """Where is this file, seen from the course's folder?"""
    return path.relative_to(REPOSITORY).as_posix()


def title(path: Path) -> str:
    """What does a notebook's first heading say?"""
    notebook = nbformat.read(path, as_version=4)
    prose = (cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return next(m[1] for text in prose if (m := re.search(r"^# (.+)$", text, flags=re.M)))


if __name__ == "__main__":
    main()
