"""Golden values of products, convolution, pooling, normalization and losses from PyTorch in float64.

    python3 tests/golden/networks.py        # writes networks.json here; needs torch

A case names the op and the sample of tests/ops/samples_*.cpp whose call gives the outputs. PyTorch
has channels first: images are turned on the way in and out.
"""
import numpy as np
import torch
import torch.nn.functional as F

from arrays import Cases


def to_first(x):
    return x.movedim(-1, 1)


def to_last(y):
    return y.movedim(1, -1)


def kernel_first(k):
    """[taps..., in / groups, out] as [out, in / groups, taps...]."""
    return k.movedim(-1, 0).movedim(-1, 1)


def in_torch(f):
    def run(*arrays):
        y = f(*[torch.from_numpy(a) for a in arrays])
        return [t.numpy() for t in y] if isinstance(y, (tuple, list)) else y.numpy()
    return run


def sides(low, high):
    """Padding as F.pad has it: last axis first."""
    flat = []
    for a, b in reversed(list(zip(low, high))):
        flat += [a, b]
    return flat


CONVOLUTIONS = {
    "plain": ((2, 5, 6, 3), (3, 3, 3, 4), (1, 1), (1, 1), (0, 0), (0, 0), 1),
    "strides and padding": ((1, 7, 8, 2), (3, 2, 2, 5), (2, 3), (1, 1), (1, 2), (0, 1), 1),
    "dilation": ((1, 9, 7, 2), (3, 2, 2, 3), (1, 1), (2, 3), (1, 0), (1, 0), 1),
    "groups": ((2, 4, 5, 4), (3, 3, 2, 6), (1, 1), (1, 1), (1, 1), (1, 1), 2),
    "depthwise": ((1, 5, 5, 3), (3, 3, 1, 3), (1, 1), (1, 1), (1, 1), (1, 1), 3),
    "one by one": ((2, 3, 3, 5), (1, 1, 5, 7), (1, 1), (1, 1), (0, 0), (0, 0), 1),
}


def convolution(strides, dilation, low, high, groups):
    def f(x, k, bias=None):
        padded = F.pad(to_first(x), sides(low, high))
        return to_last(F.conv2d(padded, kernel_first(k), bias, strides, 0, dilation, groups))
    return f


def convolutions(cases):
    for name, (x, k, strides, dilation, low, high, groups) in CONVOLUTIONS.items():
        f = convolution(strides, dilation, low, high, groups)
        cases.add("convolution", name, in_torch(f), x, k)
        cases.add("convolution", name + ", bias", in_torch(f), x, k, (k[-1],))
        y = tuple(f(torch.zeros(x), torch.zeros(k)).shape)

        def by(which, f=f, x=x, k=k):
            def run(*at):
                whole = [torch.zeros(x, dtype=torch.float64), torch.zeros(k, dtype=torch.float64)]
                whole[1 - which] = at[1 - which] if which == 0 else at[0]
                dy = at[0] if which == 0 else at[1]
                whole[which].requires_grad_(True)
                return torch.autograd.grad(f(*whole), whole[which], dy)[0]
            return in_torch(run)
        cases.add("convolution_input_gradient", name, by(0), y, k)
        cases.add("convolution_filter_gradient", name, by(1), x, y)
    # "same" with stride 2 over nine positions: five, one more on each side and one at the end.
    cases.add("convolution", "one axis", in_torch(lambda x, k: to_last(F.conv1d(
        F.pad(to_first(x), [1, 2]), kernel_first(k), None, 2))), (2, 9, 3), (4, 3, 5))
    cases.add("convolution", "three axes", in_torch(lambda x, k: to_last(F.conv3d(
        to_first(x), kernel_first(k)))), (1, 4, 3, 5, 2), (2, 2, 3, 2, 3))
    cases.add("convolution", "channels first", in_torch(lambda x, k: F.conv2d(x, k, padding=1)),
              (2, 3, 5, 4), (6, 3, 3, 3))


def transposed(cases):
    # [taps..., out, in] as [in, out, taps...].
    def f(x, k, bias=None, **options):
        return to_last(F.conv_transpose2d(to_first(x), kernel_first(k), bias, **options))
    cases.add("conv_transpose2d", "valid", in_torch(lambda x, k: f(x, k, stride=(2, 1))),
              (2, 3, 4, 2), (3, 2, 5, 2))
    # "same" of stride 2 and three taps: 6 of the 7 positions, the last one left out.
    cases.add("conv_transpose2d", "same and bias",
              in_torch(lambda x, k, b: f(x, k, b, stride=2)[:, :6, :6]),
              (1, 3, 3, 2), (3, 3, 4, 2), (4,))
    cases.add("conv_transpose2d", "groups, channels first",
              in_torch(lambda x, k: F.conv_transpose2d(x, k, groups=2)),
              (1, 4, 3, 3), (4, 3, 2, 2))


POOLS = {
    "plain": ((2, 4, 6, 3), (2, 2), (2, 2), (0, 0), (0, 0)),
    "overlapping": ((1, 7, 6, 2), (3, 2), (1, 2), (0, 0), (0, 0)),
    "padded": ((2, 5, 5, 17), (3, 3), (2, 2), (1, 1), (1, 0)),
    "large window": ((1, 18, 18, 1), (17, 17), (1, 1), (0, 0), (0, 0)),
}


def pools(cases):
    for name, (x, window, strides, low, high) in POOLS.items():
        def largest(v, window=window, strides=strides, low=low, high=high):
            padded = F.pad(to_first(v), sides(low, high), value=-torch.inf)
            return to_last(F.max_pool2d(padded, window, strides))

        def mean(v, window=window, strides=strides, low=low, high=high, whole=True):
            pad = sides(low, high)
            total = F.avg_pool2d(F.pad(to_first(v), pad), window, strides)
            share = F.avg_pool2d(F.pad(torch.ones_like(to_first(v)), pad), window, strides)
            return to_last(total if whole else total / share)
        cases.add("max_pool", name, in_torch(largest), x)
        cases.add("average_pool", name, in_torch(lambda v: mean(v, whole=False)), x)
        cases.add("average_pool", name + ", whole", in_torch(mean), x)
    cases.add("max_pool", "dilated", in_torch(lambda v: to_last(F.max_pool2d(
        F.pad(to_first(v), sides((1, 2), (0, 1)), value=-torch.inf), (2, 3), 1, 0, (2, 3)))),
        (1, 8, 8, 2))
    cases.add("max_pool", "one axis", in_torch(lambda v: to_last(F.max_pool1d(to_first(v), 2))),
              (2, 9, 3))
    cases.add("max_pool", "three axes", in_torch(lambda v: to_last(F.max_pool3d(to_first(v), 2))),
              (1, 4, 4, 5, 2))
    cases.add("max_pool", "channels first", in_torch(lambda v: F.max_pool2d(v, 2)), (2, 3, 4, 6))
    pool_gradients(cases)


def pool_gradients(cases):
    """Windows of 2 by 2 over [2, 5, 6, 4]; place 2 t + u of a window is its element [t, u]."""
    def positions(places):
        b, h, w, c = places.shape
        rows = 2 * torch.arange(h)[None, :, None, None] + places.long() // 2
        columns = 2 * torch.arange(w)[None, None, :, None] + places.long() % 2
        return to_first(rows * 6 + columns).reshape(b, c, -1)

    def spread(dy, places):
        flat = torch.zeros(2, 4, 30, dtype=torch.float64)
        flat.scatter_add_(2, positions(places), to_first(dy).reshape(2, 4, -1))
        return to_last(flat.reshape(2, 4, 5, 6))

    def gathered(x, places):
        found = to_first(x).reshape(2, 4, -1).gather(2, positions(places))
        return to_last(found.reshape(2, 4, 2, 3))

    def average(dy):
        x = torch.zeros(2, 4, 5, 6, dtype=torch.float64, requires_grad=True)
        return to_last(torch.autograd.grad(F.avg_pool2d(x, 2), x, to_first(dy))[0])
    places = torch.randint(0, 4, (2, 2, 3, 4), generator=torch.Generator().manual_seed(1)).numpy()
    cases.add("max_pool_gradient", "plain", in_torch(spread), (2, 2, 3, 4), places.astype("uint8"))
    cases.add("max_pool_gather", "plain", in_torch(gathered), (2, 5, 6, 4), places.astype("uint8"))
    cases.add("average_pool_gradient", "plain", in_torch(average), (2, 2, 3, 4))


def matrices(cases):
    shapes = {"plain": (2, 3, 4), "bias": (5, 7, 3), "larger": (33, 65, 17), "outer": (15, 1, 16)}
    for name, (m, k, n) in shapes.items():
        bias = [(n,)] if name == "bias" else []
        cases.add("matmul", name, in_torch(lambda a, b, *c: a @ b + (c[0] if c else 0)),
                  (m, k), (k, n), *bias)
    cases.add("matmul", "transposed both", in_torch(lambda a, b: a.T @ b.T), (3, 5), (4, 3))
    for name, a, b in (("stack", (3, 4, 5), (3, 5, 2)), ("stack by one matrix", (3, 4, 5), (5, 2)),
                       ("broadcast stacks", (2, 1, 3, 4), (3, 4, 2)), ("vectors", (4,), (4,))):
        cases.add("matmul", name, in_torch(torch.matmul), a, b)


def normalizations(cases):
    for op, f in (("softmax", torch.softmax), ("log_softmax", torch.log_softmax)):
        for name, shape, axis in (("plain", (2, 3), -1), ("wide", (3, 129), -1),
                                  ("three axes", (2, 3, 5), -1), ("first axis", (4, 3), 0)):
            cases.add(op, name, in_torch(lambda x: f(x, axis)), shape)
    for name, shape in (("plain", (4, 7)), ("wide", (3, 130))):
        cases.add("layer_norm", name,
                  in_torch(lambda x: F.layer_norm(x, x.shape[-1:], eps=1e-3)), shape)
    cases.add("layer_norm", "affine over two axes",
              in_torch(lambda x, g, b: F.layer_norm(x, (3, 4), g, b, 1e-3)),
              (2, 3, 4), (3, 4), (3, 4))

    def batch(x, g, b):
        y = F.batch_norm(x, None, None, g, b, training=True, eps=1e-3)
        return y, x.mean((0, 2)), x.var((0, 2), correction=0)
    cases.add("batch_norm", "channels first", in_torch(batch), (3, 4, 5), (4,), (4,))

    def normalize(x, g, b):
        mean = x.mean((0, 1), keepdim=True)
        inverse = torch.rsqrt(x.var((0, 1), correction=0, keepdim=True) + 0.1)
        return (x - mean) * inverse * g + b, mean, inverse
    cases.add("normalize", "all outputs", in_torch(lambda *x: normalize(*x)[0]),
              (5, 3, 4), (4,), (4,))
    cases.add("group_norm", "two groups", in_torch(lambda x, g, b: to_last(F.group_norm(
        to_first(x), 2, g, b, 1e-3))), (2, 3, 3, 6), (6,), (6,))


def losses(cases):
    labels = {"plain": [0, 3, 1, 1, 2], "smoothed": [3, 0, 2, 1, 1], "ignored": [2, 0, 2, 3, 1]}
    options = {"plain": {}, "smoothed": {"label_smoothing": 0.1}, "ignored": {"ignore_index": 2}}
    for name, target in labels.items():
        cases.add("cross_entropy", name, in_torch(lambda x, t: F.cross_entropy(
            x, t, reduction="none", **options[name])), (5, 4), target)
    cases.add("sigmoid_cross_entropy", "plain", in_torch(
        lambda x, t: F.binary_cross_entropy_with_logits(x, t, reduction="none")), (3, 4), (3, 4))

    # The gradient of logsumexp is what the raw op is given; so it is here.
    def gradient(x, t, total, dy):
        q = 0.75 * F.one_hot(t, 4).double() + 0.25 / 4
        return (torch.exp(x - total[:, None]) - q) * dy[:, None]
    cases.add("cross_entropy_gradient", "smoothed", in_torch(gradient),
              (5, 4), [3, 0, 2, 1, 1], (5,), (5,))


def more_losses(cases):
    weights = np.array([1, 0.5, 2, 0.25])
    cases.add("weighted_cross_entropy", "labels", in_torch(lambda x, t, w: F.cross_entropy(
        x, t, w, reduction="none", label_smoothing=0.1)), (5, 4), [0, 3, 1, 1, 2], weights)
    cases.add("negative_log_likelihood", "plain", in_torch(
        lambda x, t: F.nll_loss(x, t, reduction="none")), (5, 4), [0, 3, 1, 1, 2])
    cases.add("negative_log_likelihood", "mean of some, channels first", in_torch(
        lambda x, t: F.nll_loss(x, t, ignore_index=2)), (2, 4, 3), [[0, 3, 1], [1, 2, 2]])

    def ctc(x, y, steps, labels, blank=0):
        return F.ctc_loss(x.transpose(0, 1), y, steps, labels, blank, reduction="none")

    def all_steps(x, y):
        b, t, _ = x.shape
        return ctc(x, y, torch.full((b,), t), torch.full((b,), y.shape[1]))
    cases.add("ctc_loss", "plain", in_torch(all_steps), (3, 6, 4), [[1, 2], [3, 3], [2, 1]])
    cases.add("ctc_loss", "longer", in_torch(all_steps), (2, 17, 5),
              [[1, 2, 2, 3, 4, 4, 1], [3, 3, 1, 2, 4, 1, 2]])
    cases.add("ctc_loss", "lengths and another blank", in_torch(
        lambda x, y, s, n: ctc(x, y, s, n, 2)), (3, 6, 4), [[1, 0, 0], [0, 0, 0], [1, 1, 0]],
        [6, 5, 4], [2, 0, 1])

    # PyTorch's gradient has the softmax in it, which the backward of log_softmax takes out again.
    def gradient(x, y, s, n, dy):
        x = x.detach().requires_grad_(True)
        ctc(x, y, s, n).sum().backward()
        counts = (torch.arange(x.shape[1])[None] < s[:, None])[:, :, None]
        return ((x.grad - torch.exp(x.detach())) * counts * dy[:, None, None])
    cases.add("ctc_loss_gradient", "plain", in_torch(gradient), (3, 6, 4),
              [[1, 2], [3, 0], [0, 0]], [6, 5, 6], [2, 1, 0], (3,))


def main():
    cases = Cases("networks.json", {"torch": torch.__version__})
    matrices(cases)
    convolutions(cases)
    transposed(cases)
    pools(cases)
    normalizations(cases)
    losses(cases)
    more_losses(cases)
    cases.write()


if __name__ == "__main__":
    main()
