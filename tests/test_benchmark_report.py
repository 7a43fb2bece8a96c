"""Does each benchmark keep to its own section of RESULTS.md?"""

from tests.benchmarks.report import write


def test_a_section_takes_its_own_place_and_leaves_the_others_alone(tmp_path):
    path = tmp_path / "RESULTS.md"
    write("time", "# Times\n1\n", path)
    write("latency", "# Latency\n2\n", path)
    write("time", "# Times\n3\n", path)
    assert path.read_text() == (
        "<!-- time -->\n# Times\n3\n<!-- /time -->\n\n"
        "<!-- latency -->\n# Latency\n2\n<!-- /latency -->\n"
    )
