"""Broken cells, each with what is wrong with it.

The line at fault ends in ``#!``; cells are parted by a line of dashes. ``raised`` cells end in the
error; of ``asked`` ones the last line gives the tensor to explain.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """A snippet: its name, what is wrong, and the variable that must be named ("" for any)."""

    name: str
    kind: str
    code: str
    variable: str = ""

    @property
    def cells(self) -> list[str]:
        """The cells, without the mark."""
        return [cell.replace("  #!", "") for cell in self._cells()]

    @property
    def fault(self) -> tuple[int, int] | None:
        """Which cell, and which line of it, is at fault, both from 1; None if nothing can tell."""
        for number, cell in enumerate(self._cells(), 1):
            for line, text in enumerate(cell.split("\n"), 1):
                if text.endswith("#!"):
                    return number, line
        return None

    def _cells(self) -> list[str]:
        return [cell.strip("\n") for cell in self.code.split("\n---\n")]


NET = """
torch.manual_seed(0)
X, T = torch.randn(8, 3), torch.randn(8, 1)
labels = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
classifier = nn.Linear(3, 3)
opt = torch.optim.SGD(net.parameters(), lr=0.1)
---
"""

NOT_ONE = "backward() from more than one number"
SEED_SHAPE = "gradient= of another shape than the result's"
SEED_DTYPE = "gradient= of another dtype than the result's"
SEED_TYPE = "gradient= that is no tensor"
SAME_GRAPH = "a second backward pass through one graph"
SHARED_GRAPH = "two results share a graph, and the first pass freed it"
CARRIED = "a second backward pass reaches the graph of an earlier one"
DETACHED = "the gradient was lost at a detach()"
THROUGH_DATA = "the gradient was lost at .data"
SWITCHED_OFF = "gradients were switched off"
COPIED = "the gradient was lost in a new tensor"
COMPARED = "the gradient was lost in a comparison"
INTEGERS = "the gradient was lost in integers"
PLAIN_NUMBER = "the gradient was lost in a plain number"
NEVER_ASKED = "nothing asked for a gradient"
FROZEN = "every parameter is frozen"
CREATE_GRAPH = "create_graph=True is missing"
EDITED = "a saved value was changed in place before backward()"
LEAF = "a leaf was to be changed in place"
VIEW = "a view that may not be changed in place"
NUMPY = "numpy() of a tensor that requires a gradient"
NO_FLOATS = "integers cannot require a gradient"
OF_RESULT = "requires_grad of a result is not to be changed"
UNUSED = "the result does not depend on what its gradient is asked for"
INFERENCE = "a tensor made in inference mode"
WRONG_COUNT = "backward() of an own Function returns the wrong number of gradients"
GRADIENT_OF_NONE = "backward() of an own Function returns a gradient for what is no tensor"
WRONG_SHAPE = "a gradient of the wrong shape"
DEEPCOPY = "deepcopy of a tensor that is no leaf"

RAISED = (
    Case("a vector loss", NOT_ONE, NET + """
for _ in range(2):
    opt.zero_grad()
    loss = (net(X) - T) ** 2
    loss.backward()  #!
    opt.step()
""", "loss"),
    Case("reduction none", NOT_ONE, NET + """
def train_step(inputs, targets):
    scores = classifier(inputs)
    losses = F.cross_entropy(scores, targets, reduction="none")
    losses.backward()  #!

train_step(X, labels)
""", "losses"),
    Case("autograd.grad of a vector", NOT_ONE, """
x = torch.arange(3.0, requires_grad=True)
y = x ** 2
g, = torch.autograd.grad(y, x)  #!
""", "y"),
    Case("a loss function held by a module", NOT_ONE, NET + """
criterion = nn.MSELoss(reduction="none")
---
prediction = net(X)
error = criterion(prediction, T)
error.backward()  #!
""", "error"),
    Case("weights of another shape", SEED_SHAPE, """
x = torch.ones(4, requires_grad=True)
y = x * torch.arange(4.0)
v = torch.ones(3)
y.backward(v)  #!
""", "y"),
    Case("weights for a number", SEED_SHAPE, NET + """
loss = F.mse_loss(net(X), T)
loss.backward(gradient=torch.ones(8))  #!
""", "loss"),
    Case("one weight for many", SEED_SHAPE, """
x = torch.ones(2, 3, requires_grad=True)
y = torch.sin(x)
torch.autograd.grad(y, x, grad_outputs=torch.tensor(1.0))  #!
""", "y"),
    Case("complex weights", SEED_DTYPE, """
x = torch.ones(3, requires_grad=True)
y = 2 * x
y.backward(torch.ones(3, dtype=torch.complex64))  #!
""", "y"),
    Case("a number as gradient", SEED_TYPE, """
x = torch.ones(3, requires_grad=True)
y = x * 3
y.backward(1.0)  #!
""", "y"),
    Case("a list as gradient", SEED_TYPE, """
x = torch.ones(3, requires_grad=True)
y = x * 3
y.backward(gradient=[1.0, 1.0, 1.0])  #!
""", "y"),
    Case("too few gradients", "as many gradients as results are needed", """
x = torch.ones(3, requires_grad=True)
y, z = x * 2, x.sum()
torch.autograd.backward([y, z], [torch.ones(3)])  #!
"""),
    # A second pass
    Case("backward twice", SAME_GRAPH, """
x = torch.arange(4.0, requires_grad=True)
y = 2 * torch.dot(x, x)
y.backward()
print(x.grad)
y.backward()  #!
""", "y"),
    Case("backward in a loop, forward before it", SAME_GRAPH, NET + """
loss = F.mse_loss(net(X), T)
for _ in range(3):
    opt.zero_grad()
    loss.backward()  #!
    opt.step()
""", "loss"),
    Case("backward again in another cell", SAME_GRAPH, """
x = torch.arange(4.0, requires_grad=True)
loss = (x * x).sum()
loss.backward()
---
loss.backward()  #!
""", "loss"),
    Case("two losses from one net", SHARED_GRAPH, NET + """
hidden = torch.tanh(net[0](X))
first = (hidden ** 2).mean()
second = net[2](hidden).square().mean()
first.backward()
second.backward()  #!
""", "second"),
    Case("hidden state of a loop", CARRIED, """
W = torch.full((2, 2), 0.5, requires_grad=True)
h = torch.zeros(2)
for t in range(3):
    h = torch.tanh(W @ h + 1)  #!
    loss = h.sum()
    loss.backward()
""", "h"),
    Case("hidden state of an RNN", CARRIED, """
torch.manual_seed(0)
rnn, head = nn.RNN(2, 3), nn.Linear(3, 1)
state = torch.zeros(1, 1, 3)
data = torch.randn(4, 5, 1, 2)
---
for chunk in data:
    out, state = rnn(chunk, state)  #!
    loss = head(out).pow(2).mean()
    loss.backward()
""", "state"),
    Case("hidden state within a class", CARRIED, """
class Memory(nn.Module):
    def __init__(self):
        super().__init__()
        self.mix = nn.Linear(2, 2)
        self.state = torch.zeros(2)

    def forward(self, x):
        self.state = torch.tanh(self.mix(x + self.state))  #!
        return self.state.sum()

torch.manual_seed(0)
memory = Memory()
---
for x in torch.ones(3, 2):
    loss = memory(x)
    loss.backward()
""", "self.state"),
    Case("features computed before the loop", CARRIED, NET + """
features = torch.tanh(net[0](X))
for _ in range(2):
    loss = F.mse_loss(net[2](features), T)  #!
    loss.backward()
""", "features"),
    # Nothing behind it
    Case("accuracy as a loss", COMPARED, NET + """
scores = classifier(X)
hits = scores[:, 0] > 0  #!
loss = 1 - hits.float().mean()
loss.backward()
"""),
    Case("argmax before the loss", INTEGERS, NET + """
def wrong(scores):
    picked = scores.argmax(dim=1)  #!
    return ((picked - labels) ** 2).float().mean()

loss = wrong(classifier(X))
loss.backward()
"""),
    Case("rounded to integers", INTEGERS, NET + """
prediction = net(X)
counts = prediction.long()  #!
loss = F.l1_loss(counts.float(), T)
---
loss.backward()
""", "prediction"),
    Case("cast by to", INTEGERS, """
x = torch.tensor([1.5, 2.5], requires_grad=True)
k = (x * 2).to(torch.int32)  #!
total = k.float().sum()
total.backward()
"""),
    Case("detached", DETACHED, NET + """
class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(3, 2)

    def forward(self, x):
        return self.body(x).detach()  #!

torch.manual_seed(0)
head = Head()
---
loss = head(X).pow(2).mean()
loss.backward()
"""),
    Case("detached on the way", DETACHED, """
w = torch.tensor(3.0, requires_grad=True)
scaled = w.detach() * 2  #!
loss = scaled ** 2
loss.backward()
""", "w"),
    Case("through data", THROUGH_DATA, """
w = torch.ones(3, requires_grad=True)
loss = (w.data * 2).sum()  #!
loss.backward()
""", "w"),
    Case("forward under no_grad", SWITCHED_OFF, NET + """
with torch.no_grad():
    loss = F.mse_loss(net(X), T)  #!
loss.backward()
"""),
    Case("a decorated function", SWITCHED_OFF, NET + """
@torch.no_grad()
def evaluate(model, x, t):
    prediction = model(x)  #!
    return prediction
---
loss = F.mse_loss(evaluate(net, X, T), T)
loss.backward()
"""),
    Case("switched off and forgotten", SWITCHED_OFF, """
w = torch.ones(3, requires_grad=True)
torch.set_grad_enabled(False);
loss = (w * w).sum()  #!
torch.set_grad_enabled(True);
loss.backward()
"""),
    Case("an update that rebinds", "w was bound to a new tensor", """
w = torch.tensor(1.0, requires_grad=True)
for _ in range(2):
    loss = (w - 3) ** 2
    loss.backward()
    with torch.no_grad():
        w = w - 0.1 * w.grad  #!
""", "w"),
    Case("wrapped in torch.tensor", COPIED, NET + """
loss = torch.tensor(F.mse_loss(net(X), T))  #!
loss.backward()
"""),
    Case("a list of tensors in torch.tensor", COPIED, """
x = torch.arange(3.0, requires_grad=True)
parts = [x[0] ** 2, x[1] * 3]
total = torch.tensor(parts).sum()  #!
total.backward()
"""),
    Case("a number wrapped again", PLAIN_NUMBER, NET + """
value = F.mse_loss(net(X), T).item()  #!
loss = torch.tensor(value)
loss.backward()
""", "loss"),
    Case("a number wrapped on one line", PLAIN_NUMBER, NET + """
loss = torch.tensor(float(net(X).sum()))  #!
loss.backward()
""", "loss"),
    Case("a list of numbers wrapped again", PLAIN_NUMBER, NET + """
values = [F.mse_loss(net(x), t).item() for x, t in zip(X, T)]  #!
torch.tensor(values).mean().backward()
"""),
    Case("nobody asked", NEVER_ASKED, """
x = torch.arange(3.0)  #!
y = (x * x).sum()
y.backward()
""", "x"),
    Case("weights by hand, and forgotten", NEVER_ASKED, """
torch.manual_seed(0)
W = torch.randn(3, 1)
---
def forward(x):
    return x @ W

---
X = torch.ones(4, 3)
loss = forward(X).pow(2).mean()  #!
loss.backward()
"""),
    Case("frozen parameters", FROZEN, NET + """
for p in net.parameters():
    p.requires_grad_(False)
loss = F.mse_loss(net(X), T)  #!
loss.backward()
""", "net"),
    Case("a gradient of a gradient", CREATE_GRAPH, """
x = torch.tensor(2.0, requires_grad=True)
y = x ** 3
dy, = torch.autograd.grad(y, x)  #!
dy.backward()
"""),
    Case("a gradient of .grad", CREATE_GRAPH, """
x = torch.tensor(2.0, requires_grad=True)
y = x ** 3
y.backward()  #!
penalty = x.grad ** 2
penalty.backward()
""", "x"),
    Case("a gradient penalty", CREATE_GRAPH, NET + """
inputs = X.clone().requires_grad_()
slope = torch.autograd.grad(net(inputs).sum(), inputs)[0]  #!
penalty = (slope.norm(dim=1) - 1).pow(2).mean()
penalty.backward()
"""),
    Case("made in inference mode", "made in inference mode", """
w = torch.ones(3)
with torch.inference_mode():
    loss = (w * 2).sum()  #!
loss.backward()
"""),
    # A plain number
    Case("item before backward", "a float has no backward()", NET + """
loss = F.mse_loss(net(X), T).item()  #!
loss.backward()
""", "loss"),
    Case("float before backward", "a float has no backward()", NET + """
prediction = net(X)
loss = float(F.mse_loss(prediction, T))  #!
print(round(loss, 3))
loss.backward()
""", "loss"),
    Case("a sum of numbers", "a float has no backward()", NET + """
running = sum(F.mse_loss(net(x), t).item() for x, t in zip(X, T))  #!
running.backward()
""", "running"),
    Case("a list of losses", "a list has no backward()", NET + """
losses = [F.mse_loss(net(x), t) for x, t in zip(X, T)]  #!
losses.backward()
""", "losses"),
    # Edits
    Case("edited after sigmoid", EDITED, """
x = torch.arange(3.0, requires_grad=True)
a = torch.sigmoid(x)
a += 1  #!
a.sum().backward()
""", "a"),
    Case("an input edited", EDITED, """
w = torch.ones(3, requires_grad=True)
x = torch.arange(3.0)
y = (w * x).sum()
x.mul_(2)  #!
y.backward()
""", "x"),
    Case("an element edited", EDITED, """
x = torch.arange(1.0, 4.0, requires_grad=True)
a = torch.exp(x)
b = a * a
a[0] = 0.0  #!
b.sum().backward()
"""),
    Case("an inplace activation", EDITED, """
torch.manual_seed(0)
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        gate = torch.sigmoid(self.linear(x))
        out = self.relu(gate)  #!
        return out + 1

block = Block()
---
block(torch.randn(2, 3)).sum().backward()
"""),
    Case("step between two passes", EDITED, NET + """
loss = F.mse_loss(net(X), T)
loss.backward(retain_graph=True)
opt.step()  #!
loss.backward()
"""),
    Case("a GAN's order", EDITED, """
torch.manual_seed(0)
maker, judge = nn.Linear(2, 2), nn.Linear(2, 1)
maker_opt = torch.optim.SGD(maker.parameters(), lr=0.1)
judge_opt = torch.optim.SGD(judge.parameters(), lr=0.1)
noise = torch.randn(4, 2)
---
verdict = judge(maker(noise))
judge_loss, maker_loss = verdict.mean(), -verdict.mean()
judge_loss.backward(retain_graph=True)
judge_opt.step()  #!
maker_loss.backward()
"""),
    Case("a state carried past a step, its graph retained", EDITED, """
W = torch.full((2, 2), 0.5, requires_grad=True)
opt = torch.optim.SGD([W], lr=0.1)
h = torch.zeros(2)
for t in range(3):
    h = torch.tanh(W @ h + t)  #!
    h.sum().backward(retain_graph=True)
    opt.step()
""", "h"),
    Case("edited by a function elsewhere", EDITED, """
def normalise(v):
    v /= v.sum()  #!
    return v
---
w = torch.ones(3, requires_grad=True)
s = w.exp()
p = normalise(s)
(s * p).sum().backward()
"""),
    Case("edited through a view", EDITED, """
w = torch.ones(4, requires_grad=True)
a = torch.tanh(w)
first = a[:2]
first.zero_()  #!
a.sum().backward()
""", "first"),
    Case("edited through a detached tensor", EDITED, """
x = torch.tensor([0.0, 1.0], requires_grad=True)
y = torch.exp(x)
u = y.detach()
---
u[0] = 100.0  #!
y.sum().backward()
""", "u"),
    Case("edited through a detached tensor without a name", EDITED, """
x = torch.tensor([0.0, 1.0], requires_grad=True)
y = torch.exp(x)
y.detach()[0] = 100.0  #!
y.sum().backward()
"""),
    Case("a leaf updated by hand", LEAF, NET + """
W = torch.randn(3, 1, requires_grad=True)
loss = (X @ W - T).pow(2).mean()
loss.backward()
W -= 0.1 * W.grad  #!
""", "W"),
    Case("a leaf initialised late", LEAF, """
layer = nn.Linear(2, 2)
layer.weight.fill_(0.5)  #!
""", "layer.weight"),
    Case("an element of a leaf", LEAF, """
w = torch.zeros(3, requires_grad=True)
w[0] = 1.0  #!
""", "w"),
    Case("a view of a leaf", LEAF, """
def clamp_first(v):
    v.clamp_(min=0)  #!

w = torch.randn(3, requires_grad=True)
row = w.view(1, 3)
clamp_first(row)
""", "w"),
    Case("one of several views", VIEW, """
x = torch.ones(4, requires_grad=True) * 2
a, b = x.chunk(2)
a += 1  #!
""", "a"),
    Case("a view made under no_grad", VIEW, """
x = torch.ones(3, requires_grad=True) * 1
with torch.no_grad():
    part = x[:2]
part.mul_(3)  #!
""", "part"),
    Case("out", "out= where a gradient is required", """
w = torch.ones(3, requires_grad=True)
buffer = torch.zeros(3)
torch.mul(w, 2, out=buffer)  #!
""", "buffer"),
    # Leaving
    Case("plotted", NUMPY, NET + """
prediction = net(X)
curve = prediction.numpy()  #!
""", "prediction"),
    Case("a NumPy function", NUMPY, """
import numpy as np
w = torch.linspace(0, 1, 5, requires_grad=True)
curve = np.sin(w)  #!
""", "w"),
    Case("converted in a metric", NUMPY, NET + """
import numpy as np

def rmse(prediction, target):
    return np.sqrt(((np.array(prediction) - np.array(target)) ** 2).mean())  #!

print(rmse(net(X), T))
""", "prediction"),
    Case("a result copied", DEEPCOPY, """
import copy
x = torch.ones(2, requires_grad=True)
best = x * 2
kept = copy.deepcopy(best)  #!
""", "best"),
    Case("a module that holds a result", DEEPCOPY, NET + """
import copy
net.last = net(X)  #!
backup = copy.deepcopy(net)
""", "net.last"),
    # Flags
    Case("integers from arange", NO_FLOATS, """
n = torch.arange(4, requires_grad=True)  #!
"""),
    Case("an integer parameter", NO_FLOATS, """
class Scale(nn.Module):
    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor([1, 2]))  #!

Scale()
"""),
    Case("integers switched on", NO_FLOATS, """
labels = torch.tensor([1, 0, 1])
labels.requires_grad_()  #!
""", "labels"),
    Case("argmax made to require a gradient", NO_FLOATS, """
scores = torch.randn(4, requires_grad=True)
best = scores.argmax()  #!
best.requires_grad = True
""", "best"),
    Case("a result frozen", OF_RESULT, NET + """
features = net[0](X)
features.requires_grad = False  #!
""", "features"),
    Case("a result frozen by a call", OF_RESULT, """
x = torch.ones(3, requires_grad=True)
y = x * 2
y.requires_grad_(False)  #!
""", "y"),
    Case("a result without a name frozen", OF_RESULT, """
x = torch.ones(3, requires_grad=True)
(x * x).requires_grad_(False)  #!
"""),
    Case("retain_grad for nothing", NEVER_ASKED, """
x = torch.ones(3)  #!
x.retain_grad()
""", "x"),
    Case("a result to optimise", "an optimizer changes leaves only", """
torch.manual_seed(0)
w = torch.randn(3, requires_grad=True) * 0.01  #!
opt = torch.optim.SGD([w], lr=0.1)
""", "w"),
    Case("a grad of another shape", ".grad has its tensor's shape and dtype", """
x = torch.ones(3, requires_grad=True)
x.grad = torch.zeros(2)  #!
""", "x"),
    # Asked for
    Case("an input that plays no part", UNUSED, """
x = torch.ones(3, requires_grad=True)
b = torch.ones(3, requires_grad=True)
y = (x * 2).sum()
torch.autograd.grad(y, [x, b])  #!
""", "b"),
    Case("an expression without it", UNUSED, """
x = torch.tensor(2.0, requires_grad=True)
b = torch.tensor(1.0, requires_grad=True)
torch.autograd.grad(x**3, [x, b])  #!
""", "b"),
    Case("a part that was detached", UNUSED, """
x = torch.ones(3, requires_grad=True)
b = torch.ones(3, requires_grad=True)
y = (x + b.detach()).sum()  #!
torch.autograd.grad(y, (x, b))
""", "b"),
    Case("a name bound anew", UNUSED, """
x = torch.ones(3, requires_grad=True)
y = (x * x).sum()
x = torch.ones(3, requires_grad=True)  #!
torch.autograd.grad(y, x)
""", "x"),
    Case("a gradient for a constant", NEVER_ASKED, """
w = torch.ones(3, requires_grad=True)
x = torch.arange(3.0)  #!
y = (w * x).sum()
torch.autograd.grad(y, x)
""", "x"),
    Case("func.grad of a vector", "torch.func.grad of more than one number", """
def f(x):
    return torch.sin(x)

torch.func.grad(f)(torch.ones(3))  #!
"""),
    # Inference tensors
    Case("an inference tensor in training", INFERENCE, NET + """
with torch.inference_mode():
    features = X * 2  #!
---
w = torch.ones(8, 3, requires_grad=True)
loss = (w * features).sum()
""", "features"),
    Case("an inference tensor switched on", INFERENCE, """
with torch.inference_mode():
    x = torch.ones(3)  #!
x.requires_grad_()
""", "x"),
    Case("an inference tensor edited", INFERENCE, """
with torch.inference_mode():
    x = torch.ones(3)
x += 1  #!
""", "x"),
    # Own functions
    Case("one gradient for two inputs", WRONG_COUNT, """
class Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return x * factor

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * ctx.factor  #!

x = torch.ones(3, requires_grad=True)
---
Scaled.apply(x, 2.0).sum().backward()
""", "Scaled"),
    Case("two gradients for one input", WRONG_COUNT, """
class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, grad_output):
        return 2 * grad_output, grad_output  #!

x = torch.ones(3, requires_grad=True)
loss = Double.apply(x).sum()
loss.backward()
""", "Double"),
    Case("a gradient for a plain number", GRADIENT_OF_NONE, """
class Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return x * factor

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * ctx.factor, grad_output  #!

Scaled.apply(torch.ones(3, requires_grad=True), 2.0).sum().backward()
""", "Scaled"),
    Case("a gradient of another shape", WRONG_SHAPE, """
class FirstTwo(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x[:2].clone()

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output  #!

x = torch.ones(3, requires_grad=True)
FirstTwo.apply(x).sum().backward()
""", "FirstTwo"),
    Case("a shape changed through data", WRONG_SHAPE, """
x = torch.ones(3, requires_grad=True)
y = x * 2
y.data = torch.ones(2)  #!
y.sum().backward()
"""),
    Case("a plain number as gradient", "backward() of an own Function returns no tensor", """
class Triple(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 3 * x

    @staticmethod
    def backward(ctx, grad_output):
        return 3.0  #!

Triple.apply(torch.ones(2, requires_grad=True)).sum().backward()
""", "Triple"),
    Case("called as an object", "forward and backward of a Function are static methods", """
class Square(torch.autograd.Function):
    def forward(self, x):
        return x ** 2

    def backward(self, grad_output):
        return 2 * grad_output

x = torch.ones(2, requires_grad=True)
Square()(x).sum().backward()  #!
""", "Square"),
    Case("no backward written", "an own Function has no backward()", """
class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x ** 3  #!

x = torch.ones(2, requires_grad=True)
Cube.apply(x).sum().backward()
""", "Cube"),
    # NaN
    Case("anomaly mode, sqrt", "a NaN from sqrt() where it has no derivative", """
x = torch.tensor([0.0, 4.0], requires_grad=True)
with torch.autograd.set_detect_anomaly(True, check_nan=True):
    r = torch.sqrt(x)  #!
    loss = (r * torch.tensor([0.0, 1.0])).sum()
    loss.backward()
""", "x"),
    Case("anomaly mode, where", "a NaN from the untaken side of where()", """
def safe_root(t):
    root = torch.sqrt(t)  #!
    return torch.where(t > 0, root, torch.zeros_like(t))

x = torch.tensor([0.0, 4.0], requires_grad=True)
---
with torch.autograd.set_detect_anomaly(True):
    safe_root(x).sum().backward()
"""),
    # .grad is None, and was used
    Case("an update with no gradient", ".grad is None: no backward pass has come here", """
w = torch.ones(3, requires_grad=True)
loss = (w * w).sum()  #!
with torch.no_grad():
    w -= 0.1 * w.grad
""", "w"),
    Case("zeroing what is not there", ".grad is None: nothing was computed from it", """
w = torch.ones(3, requires_grad=True)  #!
w.grad.zero_()
""", "w"),
    Case("a leaf that lost its name", "w was bound to a new tensor", """
w = torch.tensor(1.0, requires_grad=True)
for _ in range(2):
    loss = (w - 3) ** 2
    loss.backward()
    w = w - 0.1 * w.grad  #!
""", "w"),
)  # fmt: skip

ASKED = (
    Case("two passes", ".grad is the sum of 2 backward passes", """
x = torch.arange(4.0, requires_grad=True)
(x * x).sum().backward()
x.sum().backward()  #!
---
x
""", "x"),
    Case("a loop without zero_grad", ".grad is the sum of 3 backward passes", NET + """
for _ in range(3):
    loss = F.mse_loss(net(X), T)
    loss.backward()  #!
---
net[0].weight
"""),
    Case("a result", ".grad of a result is not kept", """
x = torch.ones(3, requires_grad=True)
y = x * 2  #!
y.sum().backward()
---
y
""", "y"),
    Case("a scaled leaf", "w is a result, not the leaf", """
torch.manual_seed(0)
w = torch.randn(3, requires_grad=True) * 0.01  #!
w.sum().backward()
---
w
""", "w"),
    Case("not used", ".grad is None: nothing was computed from it", """
a = torch.ones(3, requires_grad=True)
b = torch.ones(3, requires_grad=True)  #!
loss = a.sum()
loss.backward()
---
b
""", "b"),
    Case("no pass yet", ".grad is None: no backward pass has come here", """
a = torch.ones(3, requires_grad=True)
loss = (a * 2).sum()  #!
---
a
""", "a"),
    Case("lost on the way", DETACHED, """
a = torch.ones(3, requires_grad=True)
b = torch.ones(3, requires_grad=True)
h = (a * 2).detach()  #!
loss = (h * b).sum()
loss.backward()
---
a
"""),
    Case("returned, not stored", "torch.autograd.grad returns gradients and stores none", """
x = torch.ones(3, requires_grad=True)
y = (x * x).sum()
g, = torch.autograd.grad(y, x)  #!
---
x
""", "x"),
    Case("taken away", ".grad was set to None", NET + """
loss = F.mse_loss(net(X), T)
loss.backward()
opt.zero_grad()  #!
---
net[0].weight
"""),
    Case("filled with zeros", ".grad was filled with zeros", """
x = torch.ones(3, requires_grad=True)
x.sum().backward()
x.grad.zero_()  #!
---
x
""", "x"),
    Case("a dead relu", "the gradient became zero on its way", """
x = torch.tensor([-1.0, -2.0], requires_grad=True)
y = torch.relu(x)  #!
loss = y.sum()
loss.backward()
---
x
""", "x"),
    Case("rounded", "the gradient became zero on its way", """
x = torch.tensor([1.2, 2.7], requires_grad=True)
steps = torch.round(x * 4)  #!
loss = steps.sum()
loss.backward()
---
x
"""),
    Case("a root at zero", "a NaN from sqrt() where it has no derivative", """
x = torch.zeros(3, requires_grad=True)
squares = (x * x).sum()
length = torch.sqrt(squares)  #!
length.backward()
---
x
"""),
    Case("the untaken side", "a NaN from the untaken side of where()", """
x = torch.tensor([0.0, 1.0], requires_grad=True)
y = torch.where(x > 0, torch.log(x), torch.zeros(2))  #!
loss = y.sum()
loss.backward()
---
x
""", "x"),
    Case("seeded with itself", "the result itself was given as gradient=", """
x = torch.arange(1.0, 4.0, requires_grad=True)
y = x * 2
y.backward(y)  #!
---
x
""", "y"),
    Case("a wrapped loss", "a result that was made a leaf of its own", NET + """
loss = torch.tensor(F.mse_loss(net(X), T).item(), requires_grad=True)  #!
loss.backward()
---
loss
""", "loss"),
    Case("a loss made to require a gradient", "a result that was made a leaf of its own", NET + """
scores = classifier(X)
loss = (scores.argmax(1) != labels).float().mean()  #!
loss.requires_grad = True
loss.backward()
---
loss
"""),
    Case("a wrapped loss, from the weights' side", COPIED, """
w = torch.ones(3, requires_grad=True)
loss = torch.tensor((w * w).sum())  #!
loss.requires_grad = True
loss.backward()
---
w
"""),
    Case("edited through data", "a value was changed through .data before backward()", """
w = torch.tensor([1.0, 2.0], requires_grad=True)
y = (w * w).sum()
w.data.mul_(10)  #!
y.backward()
---
w
""", "w"),
    Case("a result edited through data", "a value was changed through .data before backward()", """
w = torch.tensor(0.0, requires_grad=True)
a = torch.sigmoid(w)
a.data += 1  #!
a.backward()
---
w
""", "a"),
    Case("no grad_fn after argmax", INTEGERS, """
scores = torch.randn(4, requires_grad=True)
best = scores.argmax()  #!
---
best
""", "scores"),
    Case("no grad_fn after NumPy", NEVER_ASKED, """
x = torch.ones(3, requires_grad=True)
curve = torch.from_numpy(x.detach().numpy())
---
curve
""", "curve"),
    Case("all is well", "nothing is the matter with this gradient", """
x = torch.ones(3, requires_grad=True)
x.sum().backward()  #!
---
x
""", "x"),
)  # fmt: skip

OTHERS = (
    "1 / 0",
    "undefined_name",
    "torch.ones(2) @ torch.ones(3)",
    "nn.Linear(2, 2)(torch.ones(3))",
    "torch.ones(2, 3).view(7)",
    "torch.ones(2) + torch.ones(3)",
    "torch.cat([torch.ones(2), torch.ones(2, 2)])",
    "torch.ones(3)[5]",
    "F.cross_entropy(torch.ones(2, 3), torch.tensor([0, 7]))",
    "if torch.ones(2): pass",
    "torch.tensor([1, 'a'])",
    "torch.ones(2).no_such_method()",
    "nn.Linear(2, 2).backward()",
    "'text'.backward()",
    "None.zero_()",
    "for value in 3.5: pass",
    "raise RuntimeError('grad can be implicitly created only for scalar outputs')",
    "raise RuntimeError('element 0 of tensors does not require grad and does not have a grad_fn')",
    "def fail():\n    raise AttributeError(\"'float' object has no attribute 'backward'\")\nfail()",
    "nn.Linear(2, 2).load_state_dict({})",
    "torch.linalg.inv(torch.zeros(2, 2))",
    "torch.ones(2).item()",
    "assert torch.ones(1) == 2, 'grad can be implicitly created only for scalar outputs'",
    "x = torch.ones(2, requires_grad=True)\nx.register_hook(lambda g: 1 / 0)\nx.sum().backward()",
    "torch.zeros(2).scatter_(0, torch.tensor([5]), 1.0)",
    "None + 1",
)
"""Errors that are not autograd's: none of them gets a panel."""
