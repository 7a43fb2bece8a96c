"""Does the graph widget show torch's own numbers, by mouse and by keyboard, in JupyterLab?"""

import re
from collections.abc import Callable

import pytest
import torch
from playwright.sync_api import Locator, expect

from tests.browser.notebooks import SET_UP, write_notebook
from tests.tools.accessibility import violations
from tests.tools.lab import Lab
from tests.tools.notebook_page import NotebookPage, Theme


def numbers(tensor: torch.Tensor) -> str:
    """How the page writes a tensor of small whole numbers."""
    return str([int(v) for v in tensor.tolist()]) if tensor.dim() else str(int(tensor))


@pytest.fixture(scope="module")
def real() -> dict[str, torch.Tensor]:
    """Torch's own values and gradients of y = 2 x.x, edge by edge."""
    x = torch.arange(4.0, requires_grad=True)
    dot = torch.dot(x, x)
    y = 2 * dot
    to_dot = y.grad_fn(torch.tensor(1.0))[0]
    to_x, to_x_again = dot.grad_fn(to_dot)
    y.backward()
    return {"dot": dot, "y": y, "to_dot": to_dot, "a": to_x, "b": to_x_again, "grad": x.grad}


@pytest.fixture
def widget(page: NotebookPage, lab: Lab) -> Locator:
    """The graph of y = 2 x.x, live in a notebook that has just run."""
    name = write_notebook(
        lab,
        "graph.ipynb",
        setup=SET_UP,
        code="x = torch.arange(4.0, requires_grad=True)\ny = 2 * torch.dot(x, x)",
        graph="picture = seegrad.graph(y)\npicture",
        grad="print(x.grad)",
    )
    page.open(name)
    page.run_all()
    return page.output("graph").locator(".seegrad")


def node(widget: Locator, label: str) -> Locator:
    return widget.locator("[data-node]", has_text=label)


def shown(locator: Locator) -> str:
    """The text that is drawn, without the tooltips."""
    return locator.evaluate(
        "e => [...e.querySelectorAll('text')].map(t => "
        "[...t.childNodes].filter(n => n.nodeName !== 'title').map(n => n.textContent).join(''))"
        ".join(' | ')"
    )


def test_the_forward_pass_shows_values(widget: Locator, real: dict[str, torch.Tensor]) -> None:
    assert numbers(real["dot"]) in shown(node(widget, "torch.dot(x, x)"))
    assert "DotBackward0" in shown(node(widget, "torch.dot(x, x)"))
    assert numbers(real["y"]) in shown(node(widget, "2 * …"))
    assert "[0, 1, 2, 3]" in shown(node(widget, "leaf"))
    expect(widget.locator(".edge.travelled")).to_have_count(0)


def by_mouse(widget: Locator) -> None:
    widget.get_by_role("button", name="next").click()


def by_key(widget: Locator) -> None:
    widget.press("ArrowRight")


@pytest.mark.parametrize("advance", [by_mouse, by_key])
def test_stepping_sends_torchs_gradients_along_the_edges(
    widget: Locator, real: dict[str, torch.Tensor], advance: Callable[[Locator], None]
) -> None:
    def edges() -> list[str]:
        texts = widget.locator(".carried.travelled").evaluate_all(
            "labels => labels.map(label => [...label.querySelectorAll('tspan')]"
            ".map(line => line.textContent).join(' '))"
        )
        return sorted(texts)

    one, two = "1", numbers(real["to_dot"])
    flows = [numbers(real["a"]), numbers(real["b"])]
    for expected in ([one, two], [one, two, *flows], [one, two, *flows]):
        advance(widget)
        assert edges() == sorted(expected)
    slot = widget.locator(".slot")
    expect(slot).to_have_attribute("data-state", "filled")
    assert numbers(real["grad"]) in shown(slot)
    assert numbers(real["grad"]) in (widget.locator(".equation").text_content() or "")


def test_home_end_arrows_and_the_slider_agree(widget: Locator) -> None:
    slider = widget.get_by_role("slider")
    widget.press("End")
    expect(slider).to_have_value("3")
    widget.press("ArrowLeft")
    expect(slider).to_have_value("2")
    expect(slider).to_have_attribute("aria-valuetext", "step 2 of 3: torch.dot(x, x)")
    widget.press("Home")
    expect(slider).to_have_value("0")
    slider.fill("1")
    expect(widget.locator(".node.active")).to_have_attribute("aria-label", re.compile(r"^2 \* …"))


def test_the_expression_whose_turn_it_is_lights_up(widget: Locator) -> None:
    widget.press("ArrowRight")
    expect(widget.locator("mark.active")).to_have_text("2 * torch.dot(x, x)")
    widget.press("ArrowRight")
    expect(widget.locator("mark.active")).to_have_text("torch.dot(x, x)")


def test_a_box_answers_from_the_kernel(widget: Locator) -> None:
    node(widget, "torch.dot(x, x)").press("Enter")
    detail = widget.locator(".detail")
    expect(detail).to_contain_text("saved")
    expect(detail.locator("td:not(:empty)")).to_have_text(["0", "1", "2", "3"] * 2)
    widget.press("Escape")
    expect(detail).to_be_hidden()


def test_the_other_faces(widget: Locator) -> None:
    widget.get_by_role("button", name="text", exact=True).click()
    expect(widget.locator("pre")).to_contain_text("[0, 2, 4, 6] + [0, 2, 4, 6] = [0, 4, 8, 12]")
    widget.get_by_role("button", name="code", exact=True).click()
    expect(widget.locator("pre")).to_contain_text("torch.autograd.grad(y, values")
    widget.get_by_role("button", name="still picture").click()
    image = widget.locator("img")
    expect(image).to_be_visible()
    assert image.evaluate("img => img.decode().then(() => img.naturalWidth)") > 300
    widget.get_by_role("button", name="live", exact=True).click()
    expect(widget.locator("[data-node]").first).to_be_visible()


def test_looking_left_grad_as_it_was(page: NotebookPage, widget: Locator) -> None:
    widget.press("End")
    node(widget, "torch.dot(x, x)").click()
    expect(widget.locator(".detail")).to_contain_text("saved")
    expect(page.output("grad")).to_contain_text("None")


def test_the_kernel_knows_the_step(page: NotebookPage, widget: Locator) -> None:
    widget.press("End")
    page.reload()
    again = page.output("graph").locator(".seegrad")
    expect(again.get_by_role("slider")).to_have_value("3", timeout=30_000)


@pytest.mark.parametrize("theme", Theme)
def test_nothing_in_it_shuts_anybody_out(page: NotebookPage, widget: Locator, theme: Theme) -> None:
    page.set_theme(theme)
    for step in range(4):
        assert violations(page.page, ".jp-OutputArea-output .seegrad") == [], f"step {step}"
        widget.press("ArrowRight")
    node(widget, "torch.dot(x, x)").press("Enter")
    expect(widget.locator(".detail")).to_contain_text("saved")
    assert violations(page.page, ".jp-OutputArea-output .seegrad") == []


def test_bad_input_gets_a_sentence_and_the_notebook_lives_on(page: NotebookPage, lab: Lab) -> None:
    name = write_notebook(
        lab,
        "bad.ipynb",
        setup=SET_UP,
        code="x = torch.arange(4.0, requires_grad=True)\ny = x * 2",
        number="seegrad.graph(3)",
        detached="seegrad.graph(x.detach())",
        vector="seegrad.graph(y)",
        after="1 + 1",
    )
    page.open(name)
    page.run_all()
    expect(page.output("number")).to_contain_text("needs a tensor, and got 3 (int)")
    expect(page.output("detached")).to_contain_text("does not require a gradient")
    expect(page.output("vector")).to_contain_text("v=torch.ones(4)")
    expect(page.output("vector").locator("[data-node]").first).to_be_visible()
    expect(page.output("after")).to_contain_text("2")


def test_markup_in_the_learners_code_stays_text(page: NotebookPage, lab: Lab) -> None:
    name = write_notebook(
        lab,
        "markup.ipynb",
        setup=SET_UP,
        code='d = {"<img src=x onerror=alert(1)>": torch.ones(2, requires_grad=True)}\n'
        'y = (d["<img src=x onerror=alert(1)>"] * 2).sum()',
        graph="seegrad.graph(y)",
    )
    page.open(name)
    page.run_all()
    widget = page.output("graph").locator(".seegrad")
    expect(widget.locator(".source")).to_contain_text("<img src=x")
    expect(widget.locator("img")).to_have_count(0)


CHAIN = (
    "x = torch.tensor(0.5, requires_grad=True)\n"
    "y = x.sin().cos().tanh().exp().sin().cos().tanh().exp().sin().cos()"
)
NETWORK = (
    "torch.manual_seed(0)\n"
    "net = torch.nn.Sequential(torch.nn.Linear(4, 9), torch.nn.Tanh(), torch.nn.Linear(9, 3))\n"
    "y = torch.nn.functional.mse_loss(net(torch.randn(8, 4)), torch.randn(8, 3))"
)

# How much of a label lies on a box or on another label, in square pixels, at the most.
OVERLAP = """
widget => {
  const rect = (node) => node.getBoundingClientRect();
  const shared = (a, b) =>
    Math.max(0, Math.min(a.right, b.right) - Math.max(a.left, b.left)) *
    Math.max(0, Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top));
  const boxes = [...widget.querySelectorAll('.node :is(.box, .slot rect)')].map(rect);
  const labels = [...widget.querySelectorAll('.carried')].map(rect);
  const pairs = labels.flatMap((label, i) => [...boxes, ...labels.slice(i + 1)].map(
    (other) => shared(label, other)));
  return [labels.length, Math.max(...pairs)];
}
"""

# Which of the widget's parts that a step is about lie outside of what the scroller shows.
OUT_OF_SIGHT = """
widget => {
  const port = widget.querySelector('.scroller').getBoundingClientRect();
  const about = widget.querySelectorAll('.node.active .box, .carried.now');
  return [...about].filter((node) => {
    const { left, right, top, bottom } = node.getBoundingClientRect();
    return left < port.left || right > port.right || top < port.top || bottom > port.bottom;
  }).map((node) => node.outerHTML);
}
"""


def drawn(page: NotebookPage, lab: Lab, name: str, code: str) -> Locator:
    """The graph of what this code calls y."""
    page.open(write_notebook(lab, name, setup=SET_UP, code=code, graph="seegrad.graph(y)"))
    page.run_all()
    return page.output("graph").locator(".seegrad")


def narrowed(page: NotebookPage, widget: Locator, width: int) -> Locator:
    widget.evaluate("(node, width) => (node.parentElement.style.width = `${width}px`)", width)
    page.settle()
    return widget


@pytest.mark.parametrize(("name", "code"), [("chain.ipynb", CHAIN), ("network.ipynb", NETWORK)])
def test_a_long_graph_is_seen_whole_and_no_label_covers_anything(
    page: NotebookPage, lab: Lab, name: str, code: str
) -> None:
    widget = narrowed(page, drawn(page, lab, name, code), 800)
    scroller = widget.locator(".scroller")
    assert scroller.evaluate("e => e.scrollWidth <= e.clientWidth")
    smallest = widget.evaluate(
        "w => Math.min(...[...w.querySelectorAll('.scroller text')].map(t => "
        "parseFloat(getComputedStyle(t).fontSize) * t.getScreenCTM().a))"
    )
    assert smallest >= 10.49
    widget.press("End")
    labels, overlap = widget.evaluate(OVERLAP)
    assert labels > 5
    assert overlap < 1


@pytest.mark.parametrize(("name", "code"), [("chain.ipynb", CHAIN), ("network.ipynb", NETWORK)])
def test_each_step_is_in_sight_in_a_narrow_notebook(
    page: NotebookPage, lab: Lab, name: str, code: str
) -> None:
    widget = narrowed(page, drawn(page, lab, name, code), 400)
    assert widget.locator(".scroller").evaluate("e => e.scrollWidth > e.clientWidth")
    last = int(widget.get_by_role("slider").get_attribute("max") or 0)
    assert last > 5
    for key in ["ArrowRight"] * last + ["ArrowLeft"] * last + ["End", "Home"]:
        widget.press(key)
        assert widget.evaluate(OUT_OF_SIGHT) == [], f"step {widget.get_attribute('data-step')}"


@pytest.fixture
def wide(page: NotebookPage, lab: Lab) -> Locator:
    """A graph that is wider than its column."""
    return narrowed(page, drawn(page, lab, "chain.ipynb", CHAIN), 300)


def scrolled(widget: Locator) -> float:
    """How far the drawing is scrolled: 0 at its left end, 1 at its right."""
    share: float = widget.locator(".scroller").evaluate(
        "e => e.scrollLeft / (e.scrollWidth - e.clientWidth)"
    )
    return share


def test_an_overview_leads_through_a_wide_graph_by_mouse(wide: Locator) -> None:
    strip = wide.get_by_role("scrollbar", name="part of the graph in view")
    place = strip.bounding_box()
    assert place is not None
    assert scrolled(wide) == 0
    strip.click(position={"x": place["width"] - 4, "y": 20})
    assert scrolled(wide) == pytest.approx(1, abs=0.01)
    expect(strip).to_have_attribute("aria-valuenow", "100")
    strip.click(position={"x": place["width"] / 2, "y": 20})
    assert scrolled(wide) == pytest.approx(0.5, abs=0.02)


def test_an_overview_leads_through_a_wide_graph_by_keyboard(wide: Locator) -> None:
    strip = wide.get_by_role("scrollbar")
    strip.press("End")
    assert scrolled(wide) == pytest.approx(1, abs=0.01)
    strip.press("ArrowLeft")
    assert 0 < scrolled(wide) < 1
    strip.press("Home")
    assert scrolled(wide) == 0
    expect(wide.get_by_role("slider")).to_have_value("0")  # these keys stepped no pass


def test_the_overview_shows_where_the_pass_has_been(wide: Locator) -> None:
    wide.press("ArrowRight")
    wide.press("ArrowRight")
    expect(wide.locator(".overview .reached")).to_have_count(2)
    expect(wide.locator(".overview .active")).to_have_count(1)
    assert scrolled(wide) > 0  # the picture follows the pass, and the frame the picture


@pytest.mark.parametrize("theme", Theme)
def test_a_wide_graph_shuts_nobody_out(page: NotebookPage, wide: Locator, theme: Theme) -> None:
    page.set_theme(theme)
    wide.press("ArrowRight")
    assert violations(page.page, ".jp-OutputArea-output .seegrad") == []


def test_a_graph_that_fits_needs_no_overview(widget: Locator) -> None:
    expect(widget.locator(".overview")).to_be_hidden()
