"""Do the links in README.md and INSTRUCTORS.md lead to the chapters, and to one repository?"""

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from classroom.links import NOT_YET, UNSET, Published, blocks, in_course, with_block
from tests.tools.course import REPOSITORY, chapters

PUBLISHED = Published.read()
PAGES = ("README.md", "INSTRUCTORS.md")


def links(page: str) -> list[str]:
    text = (REPOSITORY / page).read_text("utf-8")
    return re.findall(r"https://[^/)>\s]+/(?:v2/gh|hub/user-redirect)/[^)>\s]+", text)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_the_links_that_are_generated(page: str) -> None:
    text = (REPOSITORY / page).read_text("utf-8")
    assert with_block(text, blocks(PUBLISHED)[page]) == text, "say `make links`"


@pytest.mark.parametrize(("page", "folder"), [(PAGES[0], ""), (PAGES[1], "/{}")])
def test_each_chapter_has_one_link_that_opens_it(page: str, folder: str) -> None:
    root = f"lab/tree{folder.format(PUBLISHED.repository.rpartition('/')[2])}"
    paths = [parse_qs(urlsplit(link).query)["urlpath"] for link in links(page)]
    assert paths == [[f"{root}/{in_course(chapter)}"] for chapter in chapters()]


@pytest.mark.parametrize("page", PAGES)
def test_all_links_name_the_one_repository(page: str) -> None:
    for link in links(page):
        parts = urlsplit(link)
        repo = parse_qs(parts.query).get("repo", [f"https://github.com{parts.path[6:]}"])[0]
        assert repo.startswith(f"https://github.com/{PUBLISHED.repository}")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_owns_up_to_links_that_lead_nowhere(page: str) -> None:
    elsewhere = Published("ada/seegrad", "main", "https://hub.example.org")
    nowhere = Published(UNSET, "main", "https://hub.example.org")
    assert NOT_YET in blocks(nowhere)[page]
    assert NOT_YET not in blocks(elsewhere)[page]
    assert UNSET not in blocks(elsewhere)[page]


@pytest.mark.parametrize("page", ["", "<!-- links -->\n<!-- /links -->\n" * 2])
def test_a_page_without_one_place_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="one place for links"):
        with_block(page, "")
