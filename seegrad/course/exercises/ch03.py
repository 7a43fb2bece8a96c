"""Exercises of chapter 3: Jacobians, the v of backward(v), and what a whole Jacobian costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from seegrad.course.draw import Draw, Formula
from seegrad.course.exercise import Exercise, Mistake

Of = Callable[[Tensor], Tensor]


def _jacobian(f: Of, x: Tensor) -> Tensor:
    """All derivatives of f at x, a row for each output and a column for each input."""
    jacobian: Tensor = torch.func.jacfwd(f)(x.detach())
    return jacobian


# 3.1


def _may_call_backward(tensors: list[Tensor]) -> list[bool]:
    return [_runs(tensor.backward) for tensor in tensors]


def _runs(step: Callable[[], object]) -> bool:
    try:
        step()
    except RuntimeError:
        return False
    return True


def _of_several_shapes(draw: Draw) -> tuple[list[Tensor]]:
    rows, columns = draw.sizes(2)
    shapes = [(), (1,), (1, 1), (rows,), (1, columns), (rows, 1), (rows, columns)]
    draw.random.shuffle(shapes)
    return ([draw.tensor(*sizes, requires_grad=True) * 2 for sizes in shapes],)


ONE_ELEMENT = Exercise(
    number="3.1",
    title="Who needs no v?",
    practises="when `backward()` needs no argument",
    seeds=("S13", "S14", "S18"),
    minutes=3,
    difficulty=1,
    oracle=_may_call_backward,
    against="whether backward() runs",
    draw=_of_several_shapes,
    mistakes=(
        Mistake(
            "zero dimensions",
            lambda tensors: [t.ndim == 0 for t in tensors],
            "PyTorch's message says scalar, but it asks for one element. A tensor of the shape "
            "(1, 1) has two dimensions and one element.",
        ),
        Mistake(
            "autograd always copes",
            lambda tensors: [True for _ in tensors],
            "Not all can. With several elements there is no single direction to send back, and "
            "PyTorch does not guess one.",
        ),
        Mistake(
            "never without v",
            lambda tensors: [False for _ in tensors],
            "Some can. Where there is one element only, its own derivative, 1, is what to start "
            "with.",
        ),
        Mistake(
            "one row is enough",
            lambda tensors: [t.ndim == 0 or len(t) == 1 for t in tensors],
            "len(t) is the size of the first dimension. A single row may hold several elements.",
        ),
        Mistake(
            "no matrix",
            lambda tensors: [t.ndim < 2 for t in tensors],
            "The number of dimensions does not matter: a vector of three elements needs v, and a "
            "1 by 1 matrix does not.",
        ),
    ),
    hints=(
        "Is it the number of dimensions that counts, or something else?",
        "A 1 by 1 matrix can, and a vector of three numbers cannot. What tells them apart?",
        "t.numel() is the number of elements.",
    ),
    reason="With one element there is nothing to choose: the walk starts with 1. Its number of "
    "dimensions plays no part.",
)

# 3.2


def _shapes_of_a_pass(f: Of, x: Tensor) -> tuple[tuple[int, ...], tuple[int, ...]]:
    leaf = x.clone().requires_grad_()
    v = torch.ones_like(f(leaf))
    (result,) = torch.autograd.grad(f(leaf), leaf, v)
    return tuple(v.shape), tuple(result.shape)


def _of_a_matrix(draw: Draw) -> tuple[Formula, Tensor]:
    rows, columns, others = draw.sizes(3)
    texts = ("x.sum(1)", f"x @ torch.ones({columns}, {others})", "x.T", "x.repeat(1, 3)", "x[1:]")
    return Formula(draw.choice(texts)), draw.tensor(rows, columns)


SHAPES = Exercise(
    number="3.2",
    title="The shape of v, and of what comes back",
    practises="which shape goes in and which comes out",
    seeds=("S15", "S18"),
    minutes=4,
    difficulty=1,
    oracle=_shapes_of_a_pass,
    against="a backward pass with ones",
    draw=_of_a_matrix,
    mistakes=(
        Mistake(
            "exchanged",
            lambda f, x: (x.shape, f(x).shape),
            "You exchanged the two: v goes in at y and has its shape, and what comes out at x has "
            "that of x.",
        ),
        Mistake(
            "v like x",
            lambda f, x: (x.shape, x.shape),
            "The second is right. v weighs the outputs, one by one, so it has the shape of y.",
        ),
        Mistake(
            "the result like y",
            lambda f, x: (f(x).shape, f(x).shape),
            "The first is right. What comes back says something of each input: it has the shape of "
            "x.",
        ),
        Mistake(
            "the Jacobian's shape",
            lambda f, x: (f(x).shape, (f(x).numel(), x.numel())),
            "The first is right. The second is the shape of J, which backward never builds: it "
            "adds the weighed rows, and one number for each input remains.",
        ),
        Mistake(
            "as long vectors",
            lambda f, x: ((f(x).numel(),), (x.numel(),)),
            "To speak of J one reads tensors as long vectors. PyTorch itself keeps their shapes.",
        ),
    ),
    hints=(
        "v has a weight for each … what? And the result a number for each … what?",
        "A weight for each output, and a number for each input.",
        "The first is f(x).shape. For the second you need not call f.",
    ),
    reason="v is dL/dy, so it has the shape of y; the result is dL/dx, so it has that of x. A "
    "gradient has the shape of what it is taken with respect to.",
)

# 3.3


def _scaled_and_cubed(c: float, x: Tensor) -> Tensor:
    return _jacobian(lambda x: c * x + x**3, x)


EACH = Exercise(
    number="3.3",
    title="The Jacobian of an elementwise map",
    practises="which entries of a Jacobian are zero",
    seeds=("S15", "S16", "S17"),
    minutes=4,
    difficulty=1,
    oracle=_scaled_and_cubed,
    against="torch.func.jacfwd",
    draw=lambda draw: (draw.number(), draw.vector()),
    mistakes=(
        Mistake(
            "only the diagonal",
            lambda c, x: c + 3 * x**2,
            "Those are the numbers on the diagonal. J has an entry for each pair of an output and "
            "an input.",
        ),
        Mistake(
            "every row the same",
            lambda c, x: (c + 3 * x**2).expand(len(x), -1),
            "Each output depends on its own input alone: off the diagonal there are zeros.",
        ),
        Mistake(
            "the scale everywhere",
            lambda c, x: c + torch.diag(3 * x**2),
            "You added c to every entry, also to the zeros. c x_i holds no other input than x_i.",
        ),
        Mistake(
            "the scale is lost",
            lambda c, x: torch.diag(3 * x**2),
            "The derivative of c x_i with respect to x_i is c. It is a factor, and no constant "
            "that vanishes.",
        ),
        Mistake(
            "the values",
            lambda c, x: torch.diag(c * x + x**3),
            "The pattern is right, but the diagonal holds the values of y. Differentiate them.",
        ),
        Mistake(
            "the power is not brought down",
            lambda c, x: torch.diag(c + x**2),
            "The pattern is right. The derivative of x_i^3 is 3 x_i^2: the 3 is missing.",
        ),
    ),
    hints=(
        "How many outputs, how many inputs? And which outputs change when x_0 does?",
        "Output i uses input i only, so everything off the diagonal is 0.",
        "The diagonal is c + 3 x_i^2. torch.diag makes a matrix of a diagonal.",
    ),
    reason="An elementwise map has a diagonal Jacobian: its element (i, i) is the derivative of "
    "the function of one number. That is why backward() can multiply element by element.",
)

# 3.4


def _tail_and_negative(x: Tensor, k: int) -> Tensor:
    return _jacobian(lambda x: torch.cat([x[k:], -x]), x)


def _to_slice(draw: Draw) -> tuple[Tensor, int]:
    size = draw.sizes(1)[0] + 2
    return draw.tensor(size), draw.integer(1, size - 1)


def _picked(x: Tensor, rows: slice, sign: int = -1) -> Tensor:
    identity = torch.eye(len(x))
    return torch.cat([identity[rows], sign * identity])


PICK = Exercise(
    number="3.4",
    title="A slice and a negation",
    practises="rows that pick an input, and rows that turn its sign",
    seeds=("S15",),
    minutes=5,
    difficulty=1,
    oracle=_tail_and_negative,
    against="torch.func.jacfwd",
    draw=_to_slice,
    mistakes=(
        Mistake(
            "transposed",
            lambda x, k: _picked(x, slice(k, None)).T,
            "The numbers are right, with rows and columns exchanged. Outputs are rows, inputs "
            "columns.",
        ),
        Mistake(
            "the values",
            lambda x, k: _picked(x, slice(k, None)) * x,
            "You put the picked numbers themselves. How fast does x_i change when x_i does? By 1.",
        ),
        Mistake(
            "the minus is lost",
            lambda x, k: _picked(x, slice(k, None), sign=1),
            "The slice is right. -x falls where x grows, so its rows hold -1.",
        ),
        Mistake(
            "nothing is left out",
            lambda x, k: _picked(x, slice(None)),
            "x[k:] has fewer elements than x, and each output is one row: its first rows fall "
            "away.",
        ),
        Mistake(
            "the head",
            lambda x, k: _picked(x, slice(k)),
            "Those are the rows of x[:k], the first k elements. x[k:] begins with x_k.",
        ),
        Mistake(
            "rows of zeros",
            lambda x, k: _picked(x, slice(None)) * (torch.arange(2 * len(x)) >= k)[:, None],
            "You kept a row of zeros for each element that was left out. What is no output has no "
            "row; its column is there, and holds zeros.",
        ),
    ),
    hints=(
        "The identity matrix is the Jacobian of y = x. What does a slice of y do to its rows?",
        "Slicing outputs slices rows; turning their sign turns that of the rows.",
        "With I = torch.eye(len(x)): the rows I[k:] above, -I below. torch.cat puts them together.",
    ),
    reason="Output i of x[k:] is x_(k+i), so its row is one-hot there: a slice of the identity. "
    "The rows of -x are those of the identity, turned.",
)

# 3.5


def _mean_and_product(x: Tensor) -> Tensor:
    return _jacobian(lambda x: torch.stack([x.mean(), x.prod()]), x)


def _two_rows(x: Tensor, mean: Any = None, product: Any = None) -> Tensor:
    """The right rows, or others in their places."""
    right = _mean_and_product(x)
    rows = [own if row is None else row for own, row in zip(right, (mean, product), strict=True)]
    return torch.stack([torch.as_tensor(row).expand(len(x)) for row in rows])


MEAN = Exercise(
    number="3.5",
    title="A mean and a product",
    practises="a wide Jacobian: two outputs, many inputs",
    seeds=("S15", "S17"),
    minutes=6,
    difficulty=2,
    oracle=_mean_and_product,
    against="torch.func.jacfwd",
    draw=lambda draw: (draw.tensor(draw.sizes(1)[0] + 1),),
    mistakes=(
        Mistake(
            "the mean is not divided",
            lambda x: _two_rows(x, mean=1.0),
            "The second row is right. The mean divides by n, and so does its derivative.",
        ),
        Mistake(
            "the product itself",
            lambda x: _two_rows(x, product=x.prod()),
            "The first row is right. x_i itself does not belong in the derivative with respect to "
            "x_i: the product of all the others does.",
        ),
        Mistake(
            "ones for the product",
            lambda x: _two_rows(x, product=1.0),
            "The first row is right. You multiplied the derivatives, each of them 1. When x_i "
            "moves, the others still stand as factors before it.",
        ),
        Mistake(
            "the sum of the others",
            lambda x: _two_rows(x, product=x.sum() - x),
            "The first row is right. What stands before x_i is the product of the others, and not "
            "their sum.",
        ),
        Mistake(
            "transposed",
            lambda x: _mean_and_product(x).T,
            "The numbers are right, with rows and columns exchanged: two outputs are two rows.",
        ),
        Mistake(
            "added",
            lambda x: _mean_and_product(x).sum(0),
            "You added the rows, as backward(ones) does. J keeps them apart.",
        ),
    ),
    hints=(
        "Two outputs and n inputs: what is the shape of J? Take one row at a time.",
        "The mean rises by 1/n of what x_i rises. What does x_i stand beside in the product?",
        "The second row is x.prod() / x, as no element is 0. torch.stack makes rows of vectors.",
    ),
    reason="The mean weighs all inputs alike, by 1/n. In the product, x_i is multiplied by all the "
    "others, and their product is the derivative.",
)

# 3.6


def _running_sum_of_squares(x: Tensor) -> Tensor:
    return _jacobian(lambda x: torch.cumsum(x**2, 0), x)


CUMSUM = Exercise(
    number="3.6",
    title="A running sum of squares",
    practises="a triangular Jacobian",
    seeds=("S15",),
    minutes=6,
    difficulty=2,
    oracle=_running_sum_of_squares,
    against="torch.func.jacfwd",
    draw=lambda draw: (draw.tensor(draw.sizes(1)[0] + 1),),
    mistakes=(
        Mistake(
            "transposed",
            lambda x: _running_sum_of_squares(x).T,
            "Rows and columns are exchanged. Row 0 belongs to y_0, which uses x_0 alone: the zeros "
            "lie above the diagonal.",
        ),
        Mistake(
            "the wrong triangle",
            lambda x: torch.triu((2 * x).expand(len(x), -1)),
            "The columns are right, but the other triangle should be zero: y_0 uses x_0 alone, and "
            "the last output uses all inputs.",
        ),
        Mistake(
            "the output's own input",
            lambda x: torch.tril((2 * x)[:, None].expand(-1, len(x))),
            "The triangle is right. But column j belongs to x_j, so it holds 2 x_j all the way "
            "down; you put 2 x_i along each row.",
        ),
        Mistake(
            "only the diagonal",
            lambda x: torch.diag(2 * x),
            "That is the Jacobian of x^2 alone. Each y_i also uses all inputs before x_i.",
        ),
        Mistake(
            "the last one is left out",
            lambda x: torch.tril((2 * x).expand(len(x), -1), -1),
            "y_i goes up to x_i and includes it: the diagonal is not zero.",
        ),
        Mistake(
            "no zeros",
            lambda x: (2 * x).expand(len(x), -1),
            "Every row is the whole gradient, as if each y_i were the sum of all the squares. y_i "
            "stops at x_i.",
        ),
        Mistake(
            "the squares are forgotten",
            lambda x: torch.tril(torch.ones(len(x), len(x))),
            "That is the Jacobian of the running sum of x. Each square still has to be "
            "differentiated: 2 x_j.",
        ),
    ),
    hints=(
        "Write out y_0, y_1 and y_2. Which inputs does each of them use?",
        (
            "y_i uses x_0 to x_i, and its derivative with respect to x_j is 2 x_j. Where are the "
            "zeros?"
        ),
        "Take a matrix in which each row is 2x, and torch.tril of it, its lower triangle.",
    ),
    reason="y_i holds x_j² if j ≤ i, and its derivative is 2 x_j, whichever i it is: so column j "
    "holds 2 x_j from the diagonal down.",
)

# 3.7


def _difference_of_rows(y: Tensor, i: int, j: int) -> Tensor:
    leaf = y.clone().requires_grad_()
    (v,) = torch.autograd.grad(leaf[i] - leaf[j], leaf)
    return v


def _one_hot(y: Tensor, i: int) -> Tensor:
    return torch.eye(len(y))[i]


def _two_of_several(draw: Draw) -> tuple[Tensor, int, int]:
    y = draw.tensor(draw.sizes(1)[0] + 1)
    i, j = draw.random.sample(range(len(y)), 2)
    return y, i, j


READ = Exercise(
    number="3.7",
    title="Choose v: one output less another",
    practises="reading and combining rows of a Jacobian",
    seeds=("S15", "S18", "S20"),
    minutes=4,
    difficulty=2,
    oracle=_difference_of_rows,
    against="the gradient of y_i - y_j by y",
    draw=_two_of_several,
    mistakes=(
        Mistake(
            "ones",
            lambda y, i, j: torch.ones_like(y),
            "Ones add all rows. v need not be ones: here two rows count, and the others do not.",
        ),
        Mistake(
            "one row only",
            lambda y, i, j: _one_hot(y, i),
            "That reads row i. The row of y_j has to be taken away as well.",
        ),
        Mistake(
            "added",
            lambda y, i, j: _one_hot(y, i) + _one_hot(y, j),
            "That adds the two rows. y_j is taken away, so its weight is -1.",
        ),
        Mistake(
            "the other way round",
            lambda y, i, j: _one_hot(y, j) - _one_hot(y, i),
            "The signs are exchanged: that is the v of y_j - y_i.",
        ),
        Mistake(
            "the values of y",
            lambda y, i, j: y[i] * _one_hot(y, i) - y[j] * _one_hot(y, j),
            "You put the values of y as weights. v is the derivative of what you want with respect "
            "to y, and y_i changes with itself at the rate 1.",
        ),
        Mistake(
            "one number",
            lambda y, i, j: y[i] - y[j],
            "That is the loss itself, y_i - y_j. v is its derivative with respect to y, with a "
            "weight for each.",
        ),
    ),
    hints=(
        "v has one weight for each output. Which outputs do not count at all?",
        (
            "v is the derivative of y_i - y_j with respect to y: one of them rises with it, the "
            "other falls."
        ),
        "Zeros like y, then a 1 at i and a -1 at j.",
    ),
    reason="v holds the derivative of the loss with respect to each output: 1 for y_i, -1 for y_j, "
    "and 0 for all others. So backward(v) gives row i less row j.",
)

# 3.8


def _upstream(y: Tensor, target: Tensor, w: Tensor) -> Tensor:
    leaf = y.clone().requires_grad_()
    (v,) = torch.autograd.grad(torch.dot(w, (leaf - target) ** 2), leaf)
    return v


def _weighed_outputs(draw: Draw) -> tuple[Tensor, Tensor, Tensor]:
    (size,) = draw.sizes(1)
    return draw.tensor(size), draw.tensor(size), draw.tensor(size).abs()


WEIGH = Exercise(
    number="3.8",
    title="Choose v: a weighted loss",
    practises="v as the gradient of a loss with respect to y",
    seeds=("S15", "S18", "S19"),
    minutes=6,
    difficulty=2,
    oracle=_upstream,
    against="the gradient of the loss by y",
    draw=_weighed_outputs,
    mistakes=(
        Mistake(
            "the weights alone",
            lambda y, target, w: w,
            "With v = w you get the gradient of the sum of w_i y_i. The loss has squares: v is its "
            "derivative with respect to y, and they belong in it.",
        ),
        Mistake(
            "the weights are lost",
            lambda y, target, w: 2 * (y - target),
            "That is v for equal weights. Each square is multiplied by its weight, and so is its "
            "derivative.",
        ),
        Mistake(
            "the power is not brought down",
            lambda y, target, w: w * (y - target),
            "The derivative of a square is twice its base: the 2 is missing.",
        ),
        Mistake(
            "the loss of each",
            lambda y, target, w: w * (y - target) ** 2,
            "Those are the terms of the loss. backward(v) wants their derivatives with respect to "
            "y.",
        ),
        Mistake(
            "the sign",
            lambda y, target, w: 2 * w * (target - y),
            "The sign is turned. The loss grows with y_i where y_i is above its target.",
        ),
        Mistake(
            "the mean",
            lambda y, target, w: 2 * w * (y - target) / len(y),
            "You divided by the number of outputs. This loss is a sum.",
        ),
    ),
    hints=(
        "What does v mean? It is the derivative of the loss with respect to each output.",
        "Only w_i (y_i - t_i)^2 holds y_i. Differentiate that by y_i.",
        "2 w_i (y_i - t_i), for the whole vector at once.",
    ),
    reason="v is dL/dy, whatever the loss. Here it is 2 w_i (y_i - t_i), and backward(v) from y "
    "then does the rest of the chain rule.",
)

# 3.9


def _passes(f: Of, x: Tensor) -> dict[str, int]:
    """How many passes does each mode make, until it has the whole Jacobian?"""
    leaf = x.clone().requires_grad_()
    y = f(leaf)
    rows = [torch.autograd.grad(y, leaf, v, retain_graph=True) for v in torch.eye(len(y))]
    columns = [torch.func.jvp(f, (x,), (u,)) for u in torch.eye(len(x))]
    return {"reverse": len(rows), "forward": len(columns)}


def _cheaper(f: Of, x: Tensor) -> tuple[str, int]:
    passes = _passes(f, x)
    return min(passes.items(), key=lambda item: item[1])


def _dearer(f: Of, x: Tensor) -> tuple[str, int]:
    passes = _passes(f, x)
    return max(passes.items(), key=lambda item: item[1])


def _tall_or_wide(draw: Draw) -> tuple[Formula, Tensor]:
    texts = ("x.repeat(3)", "x[:-1] * x[1:]", "torch.outer(x, x).flatten()", "x.sum().view(1)")
    return Formula(draw.choice(texts)), draw.tensor(draw.sizes(1)[0] + 1)


MODES = Exercise(
    number="3.9",
    title="Forward or reverse?",
    practises="the cost of a whole Jacobian",
    seeds=("S15",),
    minutes=5,
    difficulty=2,
    oracle=_cheaper,
    against="passes made and counted in both modes",
    draw=_tall_or_wide,
    mistakes=(
        Mistake(
            "the dearer one",
            _dearer,
            "That is the mode which needs more passes. Reverse reads a row a pass, forward a "
            "column: take the smaller number.",
        ),
        Mistake(
            "modes exchanged",
            lambda f, x: (_dearer(f, x)[0], _cheaper(f, x)[1]),
            "The number is right, the mode is not. Reverse starts at an output and reads a row; "
            "forward starts at an input and reads a column.",
        ),
        Mistake(
            "always reverse",
            lambda f, x: ("reverse", len(f(x))),
            "Reverse needs a pass for each output. Where there are fewer inputs, forward is "
            "cheaper.",
        ),
        Mistake(
            "one pass",
            lambda f, x: (_cheaper(f, x)[0], 1),
            "The mode is right. One pass reads one row, or one column, and not the whole of J.",
        ),
        Mistake(
            "the entries",
            lambda f, x: (_cheaper(f, x)[0], len(f(x)) * len(x)),
            "The mode is right. You counted the entries of J; a pass reads a whole row or column.",
        ),
        Mistake(
            "the other number",
            lambda f, x: (_cheaper(f, x)[0], _dearer(f, x)[1]),
            "The mode is right, but the number belongs to the other mode.",
        ),
    ),
    hints=(
        "What does one backward pass read of J? What does one forward pass read?",
        "m rows are m backward passes; n columns are n forward passes.",
        'If len(f(x)) < len(x), it is "reverse" and len(f(x)). Otherwise?',
    ),
    reason="Reverse mode reads J row by row, one for each output; forward mode column by column, "
    "one for each input. So the smaller number decides.",
)

# 3.10


def _graph_gone(f: Of, x: Tensor) -> Tensor:
    y = f(x)
    return torch.stack([torch.autograd.grad(y, x, v)[0] for v in torch.eye(len(y))])


def _no_v(f: Of, x: Tensor) -> Tensor | None:
    f(x).backward()
    return x.grad


def _as_many_v_as_inputs(f: Of, x: Tensor) -> Tensor:
    y = f(x)
    passes = [torch.autograd.grad(y, x, v, retain_graph=True)[0] for v in torch.eye(len(x))]
    return torch.stack(passes)


def _to_several(draw: Draw) -> tuple[Formula, Tensor]:
    texts = ("torch.cat([x**2, x.prod().view(1)])", "(x[1:] * x[:-1]).sin()", "x.repeat(2) ** 3")
    return Formula(draw.choice(texts)), draw.tensor(draw.sizes(1)[0] + 1, requires_grad=True)


WHOLE = Exercise(
    number="3.10",
    title="A Jacobian, row by row",
    practises="one-hot v, and emptying `.grad` between passes",
    seeds=("S13", "S15", "S20"),
    minutes=10,
    difficulty=3,
    oracle=_jacobian,
    against="torch.func.jacfwd",
    draw=_to_several,
    mistakes=(
        Mistake(
            "the rows add up",
            lambda f, x: _jacobian(f, x).cumsum(0),
            "Each row holds all rows before it as well: backward() adds to x.grad, and nobody "
            "emptied it in between.",
        ),
        Mistake(
            "one tensor many times, never emptied",
            lambda f, x: _jacobian(f, x).sum(0).expand(len(f(x)), -1),
            "All rows are one: the sum of all. x.grad was never emptied, and what you kept of each "
            "pass is the same tensor, so later passes changed it too.",
        ),
        Mistake(
            "one tensor many times",
            lambda f, x: _jacobian(f, x)[-1].expand(len(f(x)), -1),
            "All rows are the last one. You kept x.grad itself, and then zeroed it in place: it is "
            "one tensor, under many names. Keep a clone(), or set x.grad = None.",
        ),
        Mistake(
            "transposed",
            lambda f, x: _jacobian(f, x).T,
            "The numbers are right, with rows and columns exchanged. Each pass gives a row.",
        ),
        Mistake(
            "added",
            lambda f, x: _jacobian(f, x).sum(0),
            "That is the sum of all rows, as a v of ones gives it. Each row needs a pass of its "
            "own.",
        ),
        Mistake(
            "the graph is gone",
            _graph_gone,
            "The first pass freed the graph. Keep it for the next: retain_graph=True.",
        ),
        Mistake(
            "as many v as inputs",
            _as_many_v_as_inputs,
            "Your v has the length of x. It weighs the outputs: take the rows of an identity "
            "matrix as large as y.",
        ),
        Mistake(
            "no v",
            _no_v,
            "y has several elements, so PyTorch must be told which to start from: give a one-hot "
            "v for each row.",
        ),
    ),
    hints=(
        "Which v reads row i? How many of them do you need?",
        "The rows of torch.eye(len(y)) are all the one-hot v. What must survive each pass?",
        "torch.autograd.grad(y, x, v, retain_graph=True)[0] is a row. torch.stack makes J of them.",
    ),
    reason="A one-hot v picks one row of J out of v^T J, so as many passes as outputs give all of "
    "it. The graph has to survive each pass, and no pass may see the gradient of another.",
)

# 3.11


def _active_layer(W: Tensor, x: Tensor) -> Tensor:
    return _jacobian(lambda x: torch.relu(W @ x), x)


def _weights_and_input(draw: Draw) -> tuple[Tensor, Tensor]:
    rows, columns = draw.sizes(2)
    return draw.tensor(rows, columns), draw.tensor(columns)


LAYER = Exercise(
    number="3.11",
    title="A layer with relu",
    practises="the chain rule as a product of two Jacobians",
    seeds=("S15",),
    minutes=8,
    difficulty=3,
    oracle=_active_layer,
    against="torch.func.jacfwd",
    draw=_weights_and_input,
    mistakes=(
        Mistake(
            "relu is forgotten",
            lambda W, x: W,
            "That is the Jacobian of W x alone. Where relu gives 0, its output does not move.",
        ),
        Mistake(
            "asked of x",
            lambda W, x: W * (x > 0),
            "You asked which inputs are positive, and erased columns. relu looks at W x, and "
            "erases rows.",
        ),
        Mistake(
            "the values of relu",
            lambda W, x: torch.relu(W @ x)[:, None] * W,
            "You multiplied by relu's values. Its derivative is 1 where it lets through, and 0 "
            "elsewhere.",
        ),
        Mistake(
            "only relu",
            lambda W, x: torch.diag((W @ x > 0).float()),
            "That is the Jacobian of relu by its own input. By x it goes on: times W.",
        ),
        Mistake(
            "transposed",
            lambda W, x: _active_layer(W, x).T,
            "The numbers are right, with rows and columns exchanged: a row for each output.",
        ),
        Mistake(
            "the other half",
            lambda W, x: (W @ x <= 0)[:, None] * W,
            "The wrong rows are zero: relu lets the positive through, and stops the others.",
        ),
        Mistake(
            "relu of W",
            lambda W, x: torch.relu(W),
            "You applied relu to the entries of W. It acts on the outputs: a whole row stays or "
            "falls.",
        ),
    ),
    hints=(
        "Two maps follow each other. What is the Jacobian of each?",
        "That of relu is diagonal, with 1 where W x is positive and 0 elsewhere. That of W x is W.",
        "(W @ x > 0)[:, None] is a column of True and False, which multiplies whole rows.",
    ),
    reason="By the chain rule the Jacobians multiply: diag(W x > 0) times W. A diagonal matrix on "
    "the left scales rows, so the rows of W at inactive outputs become zero.",
)

# 3.12


def _row_means(X: Tensor) -> Tensor:
    jacobian: Tensor = torch.func.jacfwd(lambda X: X.mean(dim=1))(X)
    return jacobian.reshape(len(X), X.numel())


ROW_MEAN = Exercise(
    number="3.12",
    title="The means of the rows of a matrix",
    practises="the Jacobian of a matrix, read as one long vector",
    seeds=("S15",),
    minutes=10,
    difficulty=3,
    oracle=_row_means,
    against="torch.func.jacfwd, its last two dimensions made one",
    draw=lambda draw: (draw.tensor(*draw.sizes(2)),),
    mistakes=(
        Mistake(
            "not divided",
            lambda X: _row_means(X) * X.shape[1],
            "The pattern is right. A mean divides by how many numbers it takes, and so does its "
            "derivative.",
        ),
        Mistake(
            "divided by the rows",
            lambda X: _row_means(X) * X.shape[1] / X.shape[0],
            "The pattern is right. Each mean is taken over one row, so it divides by the number of "
            "columns.",
        ),
        Mistake(
            "divided by all",
            lambda X: _row_means(X) / X.shape[0],
            "The pattern is right. You divided by the number of all elements; each mean is taken "
            "over one row of them.",
        ),
        Mistake(
            "read column by column",
            lambda X: torch.eye(len(X)).repeat(1, X.shape[1]) / X.shape[1],
            "You read X column by column. PyTorch reads row by row, so the elements of one row "
            "stand side by side in the long vector.",
        ),
        Mistake(
            "no zeros",
            lambda X: torch.full((len(X), X.numel()), 1 / X.shape[1]),
            "Each mean uses its own row alone: its derivative with respect to all other elements "
            "is zero.",
        ),
        Mistake(
            "the means of the columns",
            lambda X: torch.eye(X.shape[1]).repeat(1, len(X)) / len(X),
            "Those are the means of the columns, mean(dim=0). dim=1 is the dimension that "
            "disappears, so a mean remains for each row.",
        ),
        Mistake(
            "transposed",
            lambda X: _row_means(X).T,
            "The numbers are right, with rows and columns exchanged: a row for each output.",
        ),
    ),
    hints=(
        "How many outputs, how many inputs? Where in the long vector does row 0 of X stand?",
        "Row i of J is 1/b where the long vector holds row i of X: blocks along a diagonal.",
        "torch.eye(a).repeat_interleave(b, dim=1) puts each entry b times side by side.",
    ),
    reason="Mean i uses the b elements of row i, each with 1/b, and they stand side by side. So J "
    "is the identity with each entry widened to b columns, divided by b.",
)

# 3.13


def _vjp_of_cumsum(v: Tensor) -> Tensor:
    leaf = torch.zeros_like(v, requires_grad=True)
    (result,) = torch.autograd.grad(torch.cumsum(leaf, 0), leaf, v)
    return result


NO_MATRIX = Exercise(
    number="3.13",
    title="Without building the Jacobian",
    practises="a vjp as a formula of its own",
    seeds=("S15",),
    minutes=8,
    difficulty=3,
    oracle=_vjp_of_cumsum,
    against="backward(v) from the running sum",
    draw=lambda draw: (draw.tensor(draw.sizes(1)[0] + 1),),
    mistakes=(
        Mistake(
            "from the other side",
            lambda v: v.cumsum(0),
            "That is J v, the product from the other side. In v^T J, each x_j collects the weights "
            "of the outputs that use it: those from j on.",
        ),
        Mistake(
            "its own output only",
            lambda v: v,
            "x_j stands in y_j, and in all outputs after it. The weights of all of them add up.",
        ),
        Mistake(
            "all outputs",
            lambda v: v.sum().expand(len(v)),
            "You gave each input the weights of all outputs. x_j is in none of the outputs before "
            "y_j.",
        ),
        Mistake(
            "the first one is left out",
            lambda v: v.sum() - v.cumsum(0),
            "x_j also stands in y_j itself: its own weight v_j is missing.",
        ),
        Mistake(
            "v left out",
            lambda v: torch.arange(len(v), 0, -1),
            "You counted the outputs that use x_j, as if all weights were 1. Add their weights.",
        ),
        Mistake(
            "in reverse order",
            lambda v: v.flip(0).cumsum(0),
            "The sums are right, in the reverse order. The last input stands in the last output "
            "only.",
        ),
    ),
    hints=(
        "In which outputs does the last input stand? And the first?",
        "x_j stands in y_j and all outputs after it, with the factor 1. So their weights add up.",
        "It is a running sum from the end: flip v, sum on, flip back.",
    ),
    reason="x_j is in every y_i with i ≥ j, so its gradient is the sum of those v_i: a running sum "
    "from the end. That takes n additions; J would have n times n entries.",
)

# 3.14


def _by_both(X: Tensor, W: Tensor, V: Tensor) -> list[Tensor]:
    leaves = X.clone().requires_grad_(), W.clone().requires_grad_()
    return list(torch.autograd.grad(leaves[0] @ leaves[1], leaves, V))


def _three_matrices(draw: Draw) -> tuple[Tensor, Tensor, Tensor]:
    rows, inner, columns = draw.sizes(3)
    return draw.tensor(rows, inner), draw.tensor(inner, columns), draw.tensor(rows, columns)


MATMUL = Exercise(
    number="3.14",
    title="Backward through a matrix product",
    practises="the vjp of matmul, found by its shapes",
    seeds=("S15", "S19"),
    minutes=12,
    difficulty=3,
    oracle=_by_both,
    against="torch.autograd.grad by X and W, with V",
    draw=_three_matrices,
    mistakes=(
        Mistake(
            "the shapes do not fit",
            lambda X, W, V: [V @ W, X @ V],
            "The shapes do not fit. A gradient has the shape of the matrix it is taken with "
            "respect to: let that decide which factor is transposed, and on which side of V it "
            "stands.",
        ),
        Mistake(
            "exchanged",
            lambda X, W, V: _by_both(X, W, V)[::-1],
            "Both are right, in the other order. First comes the one by X.",
        ),
        Mistake(
            "each transposed",
            lambda X, W, V: [gradient.T for gradient in _by_both(X, W, V)],
            "The numbers are right, but rows and columns are exchanged. A gradient has the shape "
            "of the matrix it is taken with respect to.",
        ),
        Mistake(
            "V left out",
            lambda X, W, V: _by_both(X, W, torch.ones_like(V)),
            "That would be so if V were all ones: the gradients of the sum of Y. V weighs its "
            "elements.",
        ),
        Mistake(
            "the other factors alone",
            lambda X, W, V: [W.T, X.T],
            "With numbers, the derivative of a product is the other factor. With matrices that "
            "other factor has to be multiplied by V, on the right side.",
        ),
        Mistake(
            "by X only",
            lambda X, W, V: _by_both(X, W, V)[0],
            "That is the first of the two. The one by W is missing.",
        ),
    ),
    hints=(
        "Shapes first: V has the shape of Y. What shapes must the two results have?",
        "Each is a product of V and the other matrix transposed. The shapes leave only one way.",
        "By X it is V @ W.T. By W, X.T stands to the left of V.",
    ),
    reason="Y_ik is the sum of X_ij W_jk over j. So X_ij collects V_ik W_jk over all k, which is "
    "V Wᵀ, and W_jk collects X_ij V_ik over all i, which is Xᵀ V. No Jacobian was built.",
)

EXERCISES = (
    ONE_ELEMENT,
    SHAPES,
    EACH,
    PICK,
    MEAN,
    CUMSUM,
    READ,
    WEIGH,
    MODES,
    WHOLE,
    LAYER,
    ROW_MEAN,
    NO_MATRIX,
    MATMUL,
)
