"""Does the reduction widget show torch's own numbers, by mouse and by keyboard, in JupyterLab?"""

import random

import pytest
import torch
from playwright.sync_api import Locator, expect
from torch.nn import functional as F

from seegrad.formatting import number
from tests.browser.notebooks import SET_UP, write_notebook
from tests.tools.accessibility import violations
from tests.tools.lab import Lab
from tests.tools.notebook_page import NotebookPage, Theme

KERNEL_SECONDS = 15


@pytest.fixture
def widget(page: NotebookPage, lab: Lab) -> Locator:
    """The stated example: MSELoss on three predictions."""
    name = write_notebook(
        lab,
        "reduction.ipynb",
        setup=SET_UP,
        code="y_pred = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)\n"
        "y_true = torch.tensor([1.0, 2.0, 1.0])",
        reduction="picture = seegrad.reduction(torch.nn.MSELoss(), y_pred, y_true)\npicture",
        after="y_pred, y_pred.grad",
    )
    page.open(name)
    page.run_all()
    return page.output("reduction").locator(".seegrad")


def numbers(widget: Locator, card: str) -> list[float]:
    """What the cells of a card say."""
    texts = widget.locator(f'[data-card="{card}"] .cell').all_text_contents()
    return [float(text) for text in texts]


def total(widget: Locator, card: str) -> float:
    return float(widget.locator(f'[data-card="{card}"] h3 .value').text_content() or "nan")


def drag(slider: Locator, value: float) -> None:
    """Move a slider and let it go, as a hand does."""
    slider.evaluate(
        "(slider, value) => { slider.value = value;"
        " for (const kind of ['input', 'change'])"
        " slider.dispatchEvent(new Event(kind, {bubbles: true})); }",
        str(value),
    )


def test_the_stated_example_and_ten_random_settings_are_torchs(widget: Locator) -> None:
    assert numbers(widget, "loss") == [0, 0, 4]
    assert (total(widget, "sum"), total(widget, "mean")) == (4, 1.333)
    assert numbers(widget, "sum") == [0, 0, 4]
    assert numbers(widget, "mean") == [0, 0, 1.333]
    assert numbers(widget, "weighted") == [0, 0, 4]
    expect(widget).to_contain_text("mean = sum / 3")
    dice = random.Random(0)
    pred, v = torch.tensor([1.0, 2.0, 3.0]), torch.ones(3)
    true = torch.tensor([1.0, 2.0, 1.0])
    for turn in range(10):
        index, place = dice.randrange(3), dice.randrange(3)
        pred[index], v[place] = round(dice.uniform(-4, 4), 1), dice.randrange(-40, 41) / 20
        if turn % 2:
            drag(widget.get_by_role("slider", name=f"y_pred[{index}]"), pred[index].item())
            drag(widget.get_by_role("slider", name=f"v[{place}]"), v[place].item())
        else:
            for name, value in ((f"y_pred[{index}]", pred[index]), (f"v[{place}]", v[place])):
                field = widget.get_by_role("spinbutton", name=f"{name}, exactly")
                field.fill(f"{value.item():.2f}")
                field.press("Enter")
        leaf = pred.clone().requires_grad_()
        loss = F.mse_loss(leaf, true, reduction="none")
        (gradient,) = torch.autograd.grad(loss, leaf, v, retain_graph=True)
        (mean_gradient,) = torch.autograd.grad(loss.mean(), leaf)
        mean = widget.locator('[data-card="mean"] .cell').nth(index)
        expect(mean).to_have_text(number(mean_gradient[index].item()))
        assert numbers(widget, "loss") == pytest.approx(loss.tolist(), rel=1e-3, abs=1e-6)
        assert numbers(widget, "weighted") == pytest.approx(gradient.tolist(), rel=1e-3, abs=1e-6)
        assert total(widget, "weighted") == pytest.approx((v * loss).sum().item(), rel=1e-3)


def test_another_widgets_style_sheet_changes_nothing(page: NotebookPage, lab: Lab) -> None:
    one = "torch.tensor(1.0)"
    name = write_notebook(
        lab,
        "neighbours.ipynb",
        setup=SET_UP,
        reduction="import torch.nn.functional as F\n"
        "seegrad.reduction(F.mse_loss, torch.ones(2), torch.zeros(2))",
        graph=f"x = {one}.requires_grad_()\nseegrad.graph(x * x)",
        ledger="seegrad.ledger(x)",
        jacobian="seegrad.jacobian(torch.sin, torch.ones(2))",
        slope=f"seegrad.slope(torch.sin, {one})",
        cut=f"seegrad.cut(lambda x: x * x, {one})",
        branches=f"def f(a):\n    return a if a > 0 else -a\nseegrad.branches(f, {one})",
        predict='seegrad.predict("What is 1 + 1?")',
    )
    page.open(name)
    page.run_all()
    for title in page.output("reduction").locator(".card h3").all():
        expect(title).to_be_visible()
    look = """root => [root, ...root.querySelectorAll('.live *')].map(part => {
      const style = getComputedStyle(part);
      return ['visibility', 'display', 'color', 'background-color', 'font-size', 'font-weight',
        'padding', 'text-align', 'fill', 'stroke'].map(name => style.getPropertyValue(name));
    })"""
    widgets = [page.output(cell).locator(".seegrad") for cell in page.cell_ids()[1:]]
    for widget in widgets:
        crowded = widget.evaluate(look)
        own = widget.get_attribute("data-widget")
        assert own
        alone = widget.evaluate(
            """(root, look) => {
              const foreign = [...document.styleSheets].filter(sheet =>
                [...sheet.cssRules].some(rule => rule.cssText.includes('data-widget=')
                  && !rule.cssText.includes(`data-widget="${root.dataset.widget}"`)));
              if (!foreign.length) throw Error('no other widget has a style sheet here');
              foreign.forEach(sheet => (sheet.disabled = true));
              const seen = eval(look)(root);
              foreign.forEach(sheet => (sheet.disabled = false));
              return seen;
            }""",
            look,
        )
        assert alone == crowded, own


def test_presets_say_what_they_are_and_the_other_faces_follow(widget: Locator) -> None:
    widget.locator('[data-preset="loss"]').click()
    assert numbers(widget, "weighted") == [0, 0, 16]
    expect(widget).to_contain_text("A mistake: each loss weighs itself")
    widget.locator('[data-preset="one-hot"]').press("Enter")
    assert numbers(widget, "weighted") == [0, 0, 0]
    widget.locator('[data-preset="one-hot"]').press("Enter")
    widget.locator('[data-preset="one-hot"]').press("Enter")
    assert numbers(widget, "weighted") == [0, 0, 4]
    widget.locator('[data-preset="mask"]').click()
    assert numbers(widget, "weighted") == [0, 0, 0]
    widget.get_by_role("button", name="v / sum(v)").click()
    expect(widget.get_by_role("spinbutton", name="v[0], exactly")).to_have_value("0.5")
    slider = widget.get_by_role("slider", name="v[2]")
    for key in ("End", "ArrowLeft", "Home"):
        slider.press(key)
        expected = float(f"{4 * float(slider.input_value()):.4g}")
        assert numbers(widget, "weighted")[2] == expected
    widget.locator('[data-preset="loss"]').click()
    widget.get_by_role("button", name="text", exact=True).click()
    expect(widget.locator("pre")).to_contain_text(
        "v = [0, 0, 4]: v · loss = 16, gradient [0, 0, 16]"
    )
    widget.get_by_role("button", name="code", exact=True).click()
    expect(widget.locator("pre")).to_contain_text('nn.MSELoss(reduction="none")(y_pred, y_true)')
    widget.get_by_role("button", name="still picture").click()
    expect(widget.locator("img")).to_be_visible()


def test_the_state_survives_a_reload_and_the_learners_tensors_all_of_it(
    page: NotebookPage, widget: Locator
) -> None:
    drag(widget.get_by_role("slider", name="y_pred[0]"), 3)
    widget.locator('[data-preset="mask"]').click()
    expect(widget.locator('[data-card="loss"] .cell').first).to_have_text("4")
    page.reload()
    again = page.output("reduction").locator(".seegrad")
    expect(again.locator('[data-card="loss"] .cell').first).to_have_text("4", timeout=30_000)
    expect(again.locator('[data-preset="mask"]')).to_have_attribute("aria-pressed", "true")
    expect(again.get_by_role("slider", name="y_pred[0]")).to_have_value("3")
    expect(page.output("after")).to_contain_text("(tensor([1., 2., 3.], requires_grad=True), None)")


def test_without_a_kernel_weights_still_work_and_predictions_say_why_not(
    page: NotebookPage, widget: Locator
) -> None:
    with page.without_kernel():
        widget.locator('[data-preset="1/N"]').click()
        assert numbers(widget, "weighted") == [0, 0, 1.333]
        drag(widget.get_by_role("slider", name="y_pred[0]"), 3)
        expect(widget).to_contain_text("No kernel has answered", timeout=KERNEL_SECONDS * 1000)


IMAGE = """from torch.nn import functional as F
logits = torch.arange(-8.0, 8.0).reshape(1, 1, 4, 4) / 8
seegrad.reduction(F.binary_cross_entropy_with_logits, logits, torch.ones(1, 1, 4, 4))"""


@pytest.fixture
def image(page: NotebookPage, lab: Lab) -> Locator:
    """A loss for each pixel."""
    page.open(write_notebook(lab, "image.ipynb", setup=SET_UP, image=IMAGE))
    page.run_all()
    return page.output("image").locator(".seegrad")


def pixel(widget: Locator, card: str, index: int) -> Locator:
    return widget.locator(f'[data-card="{card}"] .cell').nth(index)


def test_a_mask_is_painted_by_pointer(page: NotebookPage, image: Locator) -> None:
    first, last = (pixel(image, "v", index) for index in (0, 3))
    first.scroll_into_view_if_needed()
    first.hover()
    page.page.mouse.down()
    last.hover()
    page.page.mouse.up()
    expect(first).to_have_attribute("aria-pressed", "false")
    expect(last).to_have_attribute("aria-pressed", "false")
    expect(pixel(image, "v", 4)).to_have_attribute("aria-pressed", "true")
    expect(image.locator('[data-preset="mask"]')).to_have_attribute("aria-pressed", "true")
    assert pixel(image, "weighted", 0).get_attribute("title") == "logits[0, 0, 0, 0]: 0"


def test_a_mask_is_painted_by_keyboard(image: Locator) -> None:
    pixel(image, "v", 0).focus()
    for key in ("ArrowRight", "ArrowDown", "Space"):
        image.page.keyboard.press(key)
    expect(pixel(image, "v", 5)).to_have_attribute("aria-pressed", "false")
    expect(pixel(image, "v", 5)).to_be_focused()
    leaf = (torch.arange(-8.0, 8.0) / 8).requires_grad_()
    loss = F.binary_cross_entropy_with_logits(leaf, torch.ones(16), reduction="none")
    v = torch.ones(16)
    v[5] = 0
    (gradient,) = torch.autograd.grad(loss, leaf, v)
    titles = image.locator('[data-card="weighted"] .cell').evaluate_all(
        "all => all.map(c => c.title)"
    )
    assert [float(title.split(": ")[1]) for title in titles] == pytest.approx(gradient.tolist())


def test_a_pixel_is_chosen_and_moved_in_a_narrow_column(page: NotebookPage, image: Locator) -> None:
    pixel(image, "pred", 6).click()
    drag(image.get_by_role("slider", name="logits[0, 0, 1, 2]"), 1)
    expected = torch.sigmoid(torch.tensor(1.0)).item() - 1
    spot = image.locator('[data-card="sum"] .spot')
    expect(spot).to_have_text(f"logits[0, 0, 1, 2]: {expected:.4g}")
    page.page.set_viewport_size({"width": 900, "height": 900})
    page.settle()
    assert image.evaluate("e => e.scrollWidth - e.clientWidth") <= 0


def test_each_field_is_in_its_card_beside_the_file_browser(page: NotebookPage, lab: Lab) -> None:
    tasks = "{'classify': lambda w: (w[0] - 3) ** 2, 'box': lambda w: (w[1] + 1) ** 2}"
    cells = {
        "setup": SET_UP,
        "tasks": f"seegrad.reduction({tasks}, torch.tensor([1.0, -2.0]))",
        "pairs": "seegrad.reduction(torch.nn.MSELoss(), torch.tensor([1.0, 2.5]), torch.ones(2))",
    }
    page.page.set_viewport_size({"width": 1100, "height": 900})
    page.open(write_notebook(lab, "small.ipynb", **cells))
    page.run_all()
    right = "getBoundingClientRect().right"
    inside = f"all => all.map(e => e.closest('.card').{right} - e.{right})"
    for name in ("tasks", "pairs"):
        fields = page.output(name).locator('input[type="number"], .beside')
        assert min(fields.evaluate_all(inside)) > 0


@pytest.mark.parametrize("theme", Theme)
def test_nothing_in_it_shuts_anybody_out(page: NotebookPage, lab: Lab, theme: Theme) -> None:
    classes = "seegrad.reduction(torch.nn.functional.cross_entropy, torch.eye(3), torch.arange(3))"
    vector = (
        "seegrad.reduction(torch.nn.L1Loss(), torch.tensor([1.0, 2.0]), torch.tensor([2.0, 2.0]))"
    )
    bad = "seegrad.reduction(torch.nn.MSELoss(), torch.tensor([1, 2]))"
    cells = {"setup": SET_UP, "image": IMAGE, "classes": classes, "vector": vector, "bad": bad}
    page.open(write_notebook(lab, "axe.ipynb", **cells))
    page.run_all()
    page.set_theme(theme)
    page.output("vector").locator('[data-preset="loss"]').click()
    assert violations(page.page, ".jp-OutputArea-output .seegrad") == []
    expect(page.output("bad")).to_contain_text("only floats have derivatives")
