"""Golden values of resampling, windows, sampling, pooling variants and normalizations: from PyTorch in
float64 where it has the function, else by the plain formula of the ONNX operator, in NumPy.

    python3 tests/golden/spatial.py        # writes spatial.json here; needs torch

A case names the op and the sample of tests/ops/samples_spatial.cpp whose call gives the outputs.
"""
import itertools
import math

import numpy as np
import torch
import torch.nn.functional as F

from arrays import Cases
from networks import in_torch, to_first, to_last


def interpolated(**how):
    return in_torch(lambda x: to_last(F.interpolate(to_first(x), **how)))


# --- ONNX' Resize, one axis ----------------------------------------------------------------------

def keys(t, a):
    t = abs(t)
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0


def resized_axis(x, axis, place, size, kernel, radius, exclude=False, scaled=False):
    """kernel(distance) over the taps around place(i); places outside of [0, n - 1] may be None."""
    n = x.shape[axis]
    rows = []
    for i in range(size):
        p = place(i)
        total, weights = 0, 0
        if p is not None:
            for k in range(math.floor(p - radius), math.ceil(p + radius) + 1):
                w = kernel(k - p)
                if exclude and not 0 <= k < n:
                    continue
                total = total + w * np.take(x, min(max(k, 0), n - 1), axis)
                weights += w
        rows.append(total / weights if scaled else total + 0 * np.take(x, 0, axis))
    return np.stack(rows, axis)


def linear(t):
    return max(0.0, 1 - abs(t))


def resampling(cases):
    op = "resample"
    x = (2, 5, 7, 3)
    cases.add(op, "nearest", interpolated(size=(10, 3), mode="nearest"), x)
    cases.add(op, "nearest of centres", interpolated(size=(8, 3), mode="nearest-exact"), x)
    cases.add(op, "linear up", interpolated(size=(9, 12), mode="bilinear"), x)
    cases.add(op, "linear down", interpolated(size=(3, 4), mode="bilinear"), x)
    cases.add(op, "align corners", interpolated(size=(9, 4), mode="bilinear", align_corners=True), x)
    cases.add(op, "cubic", interpolated(size=(9, 4), mode="bicubic"), x)
    cases.add(op, "cubic, align corners", interpolated(size=(3, 12), mode="bicubic", align_corners=True), x)
    cases.add(op, "antialias", interpolated(size=(2, 3), mode="bilinear", antialias=True), x)
    cases.add(op, "cubic, antialias", interpolated(size=(3, 9), mode="bicubic", antialias=True), x)
    cases.add(op, "area", interpolated(size=(3, 4), mode="area"), x)
    cases.add(op, "one axis", interpolated(scale_factor=2.5, mode="linear", recompute_scale_factor=False), (2, 5, 3))
    cases.add(op, "three axes", interpolated(size=(2, 5, 4), mode="trilinear"), (1, 3, 4, 2, 2))

    def keys_half(x):
        for axis, size in ((1, 9), (2, 4)):
            s = size / x.shape[axis]
            x = resized_axis(x, axis, lambda i: (i + 0.5) / s - 0.5, size, lambda t: keys(t, -0.5), 3,
                             exclude=True, scaled=True)
        return x
    cases.add(op, "cubic of a half, outside excluded", keys_half, x)

    def region(x):
        for axis, size, start, end in ((1, 4, 0.2, 0.9), (2, 3, -0.1, 0.7)):
            n = x.shape[axis]

            def place(i):
                p = start * (n - 1) + i * (end - start) * (n - 1) / (size - 1)
                return p if 0 <= p <= n - 1 else None
            inside = [place(i) is not None for i in range(size)]
            x = resized_axis(x, axis, place, size, linear, 2)
            shape = [1] * x.ndim
            shape[axis] = size
            x = np.where(np.reshape(inside, shape), x, 10)
        return x
    cases.add(op, "region", region, x)

    def symmetric(x):
        n, scale, size = 5, 0.7, 3
        shift = n / 2 * (1 - size / (scale * n))
        return resized_axis(x, 1, lambda i: shift + (i + 0.5) / scale - 0.5, size, linear, 2)
    cases.add(op, "half_pixel_symmetric", symmetric, x)
    cases.add(op, "asymmetric", lambda x: resized_axis(x, 2, lambda i: i / 1.5, 10, linear, 2), x)
    cases.add(op, "one element", lambda x: resized_axis(x, 1, lambda i: -0.5, 1, linear, 2), x)

    cases.add("blur_pool", "plain", in_torch(lambda x: to_last(F.conv2d(
        F.pad(to_first(x), (1, 1, 1, 1), mode="reflect"),
        torch.tensor([1., 2, 1]).double().outer(torch.tensor([1., 2, 1]).double())[None, None].repeat(3, 1, 1, 1) / 16,
        stride=2, groups=3))), (1, 5, 6, 3))
    cases.add("pixel_shuffle", "plain", in_torch(lambda x: to_last(F.pixel_shuffle(to_first(x), 2))), (1, 2, 3, 8))
    cases.add("pixel_unshuffle", "plain", in_torch(lambda x: to_last(F.pixel_unshuffle(to_first(x), 2))), (1, 4, 6, 2))

    def dcr(x):
        n, h, w, c = x.shape
        return x.reshape(n, h, w, 2, 2, c // 4).transpose(0, 1, 3, 2, 4, 5).reshape(n, 2 * h, 2 * w, c // 4)
    cases.add("depth_to_space", "plain", dcr, (1, 2, 3, 8))

    def back(x):
        n, h, w, c = x.shape
        return x.reshape(n, h // 2, 2, w // 2, 2, c).transpose(0, 1, 3, 2, 4, 5).reshape(n, h // 2, w // 2, 4 * c)
    cases.add("space_to_depth", "plain", back, (1, 4, 6, 2))

    def crop_pad(x):
        return np.pad(x[:, 1:4], ((0, 0), (0, 0), (1, 2)))  # 6 to 3: one before, two after
    cases.add("center_crop_pad", "plain", crop_pad, (2, 6, 4))


def windows(cases):
    cases.add("sliding_windows", "plain", in_torch(
        lambda x: x.unfold(1, 3, 2)[..., ::1].movedim(-1, -1)), (2, 8, 3))
    cases.add("unfold", "channels first", in_torch(
        lambda x: F.unfold(x, (2, 3), dilation=(2, 1), padding=(1, 0), stride=(1, 2))), (2, 3, 5, 6))
    cases.add("fold", "channels first", in_torch(
        lambda x: F.fold(x, (5, 6), (2, 3), dilation=(2, 1), padding=(1, 0), stride=(1, 2))), (2, 12, 10))

    def last(x):
        n, h, w, c = x.shape
        y = F.unfold(to_first(x), (2, 2)).reshape(n, c, 4, h - 1, w - 1)
        return y.permute(0, 3, 4, 2, 1).reshape(n, h - 1, w - 1, 4 * c)
    cases.add("unfold", "plain", in_torch(last), (1, 4, 4, 2))


# --- sampling ------------------------------------------------------------------------------------

def sampled(mode, padding, corners):
    return in_torch(lambda x, g: to_last(F.grid_sample(
        to_first(x), g, mode=mode, padding_mode=padding, align_corners=corners)))


def deformed(strides, low, high, dilation, groups, offset_groups):
    def f(x, kernel, offset, mask):
        n, h, w, c = x.shape
        th, tw, cg, out = kernel.shape
        ph, pw = offset.shape[1:3]
        offset = offset.reshape(n, ph, pw, offset_groups, th, tw, 2)
        mask = mask.reshape(n, ph, pw, offset_groups, th, tw)
        y = torch.zeros(n, ph, pw, out, dtype=x.dtype)
        per, per_out = c // offset_groups, out // groups
        for t, u, g in itertools.product(range(th), range(tw), range(offset_groups)):
            r = torch.arange(ph).double()[:, None] * strides[0] - low[0] + t * dilation[0]
            s = torch.arange(pw).double()[None] * strides[1] - low[1] + u * dilation[1]
            grid = torch.stack([(s + offset[:, :, :, g, t, u, 1]) / (w - 1) * 2 - 1,
                                (r + offset[:, :, :, g, t, u, 0]) / (h - 1) * 2 - 1], -1)
            part = to_last(F.grid_sample(to_first(x)[:, g * per:(g + 1) * per], grid, align_corners=True))
            part = part * mask[:, :, :, g, t, u, None]
            for k in range(per):
                channel = g * per + k
                group = channel // cg
                y[..., group * per_out:(group + 1) * per_out] += (
                    part[..., k:k + 1] * kernel[t, u, channel % cg, group * per_out:(group + 1) * per_out])
        return y
    return in_torch(f)


def sampling(cases):
    for mode, name in (("bilinear", "linear"), ("nearest", "nearest"), ("bicubic", "cubic")):
        for padding, corners in (("zeros", False), ("border", True), ("reflection", False), ("reflection", True)):
            cases.add("grid_sample", f"{name}, {padding}" + (", corners" if corners else ""),
                      sampled(mode, padding, corners), (2, 4, 5, 3), (2, 3, 2, 2))
    cases.add("grid_sample", "volume", sampled("bilinear", "zeros", False), (1, 3, 2, 4, 2), (1, 2, 3, 2, 3))
    cases.add("affine_grid", "plane", in_torch(lambda t: F.affine_grid(t, [2, 1, 3, 4], align_corners=False)), (2, 2, 3))
    cases.add("affine_grid", "corners", in_torch(lambda t: F.affine_grid(t, [2, 1, 3, 4], align_corners=True)), (2, 2, 3))
    cases.add("affine_grid", "volume", in_torch(lambda t: F.affine_grid(t, [1, 1, 2, 3, 4], align_corners=False)), (1, 3, 4))
    cases.add("deform_conv", "small", deformed((1, 1), (0, 0), (0, 0), (1, 1), 1, 1),
              (1, 3, 3, 2), (2, 2, 2, 1), (1, 2, 2, 8), (1, 2, 2, 4))
    cases.add("deform_conv", "groups", deformed((1, 2), (1, 0), (1, 1), (1, 2), 2, 2),
              (2, 4, 6, 4), (2, 3, 2, 6), (2, 5, 2, 24), (2, 5, 2, 12))

    def gather_sum(x, i, w):
        return np.stack([sum((w[r, k] * x[i[r, k]] for k in range(2) if i[r, k] >= 0), 0 * x[0]) for r in range(4)])
    indices = np.array([[0, -1], [4, 2], [3, 3], [-1, -1]])
    cases.add("gather_sum", "plain", gather_sum, (5, 3), indices, (4, 2))

    def scatter_sum(g, i, w):
        y = np.zeros((5, 3))
        for r, k in itertools.product(range(4), range(2)):
            if i[r, k] >= 0:
                y[i[r, k]] += w[r, k] * g[r]
        return y
    cases.add("scatter_sum", "plain", scatter_sum, (4, 3), indices, (4, 2))

    def gather_dot(x, i, g):
        return np.array([[x[i[r, k]] @ g[r] if i[r, k] >= 0 else 0 for k in range(2)] for r in range(4)])
    cases.add("gather_dot", "plain", gather_dot, (5, 3), indices, (4, 3))


# --- regions -------------------------------------------------------------------------------------

def roi_align(size, ratio, scale, half, largest):
    def f(x, rois, images):
        out = np.zeros((len(rois), *size, x.shape[3]))
        n = x.shape[1:3]
        for r, (roi, image) in enumerate(zip(rois, images)):
            start = (roi[1::-1] * scale) - (0.5 if half else 0)
            length = (roi[3:1:-1] - roi[1::-1]) * scale
            if not half:
                length = np.maximum(length, 1)
            grid = [ratio or max(math.ceil(length[d] / size[d]), 0) for d in range(2)]
            for i, j in itertools.product(range(size[0]), range(size[1])):
                seen = []
                for a, b in itertools.product(range(grid[0]), range(grid[1])):
                    p = [start[d] + ((i, j)[d] + ((a, b)[d] + 0.5) / grid[d]) * length[d] / size[d] for d in range(2)]
                    if any(p[d] < -1 or p[d] > n[d] for d in range(2)):
                        seen.append(np.zeros((4, x.shape[3])))
                        continue
                    low, high, part = [], [], []
                    for d in range(2):
                        v = max(p[d], 0)
                        k = min(int(v), n[d] - 1)
                        low.append(k)
                        high.append(min(k + 1, n[d] - 1))
                        part.append(0 if k == n[d] - 1 else v - k)
                    seen.append(np.stack([
                        (1 - part[0]) * (1 - part[1]) * x[image, low[0], low[1]],
                        (1 - part[0]) * part[1] * x[image, low[0], high[1]],
                        part[0] * (1 - part[1]) * x[image, high[0], low[1]],
                        part[0] * part[1] * x[image, high[0], high[1]]]))
                if seen:
                    out[r, i, j] = np.max(seen, (0, 1)) if largest else np.sum(seen, (0, 1)) / len(seen)
        return out
    return f


def suppressed(boxes, scores):
    """iou_threshold 0.3, score_threshold 0.1, at most 3 boxes of a class."""
    rows = []
    for image, which in itertools.product(range(2), range(2)):
        kept = []
        for i in np.argsort(-scores[image, which], kind="stable"):
            if scores[image, which, i] <= 0.1 or len(kept) == 3:
                continue

            def iou(k):
                a, b = boxes[image, i], boxes[image, k]
                side = [max(0, min(max(a[d], a[d + 2]), max(b[d], b[d + 2])) - max(min(a[d], a[d + 2]), min(b[d], b[d + 2])))
                        for d in range(2)]
                area = [abs((v[2] - v[0]) * (v[3] - v[1])) for v in (a, b)]
                return side[0] * side[1] / (sum(area) - side[0] * side[1])
            if all(iou(k) <= 0.3 for k in kept):
                kept.append(i)
                rows.append([image, which, i])
    count = len(rows)
    return np.array(rows + [[0, 0, 0]] * (14 - count)), np.array(count)


def regions(cases):
    rois = np.array([[0.3, 1.2, 4.1, 3.9], [-2.0, -1.5, 3.0, 9.0], [2.2, 0.1, 2.9, 0.8]])
    images = np.array([1, 0, 1])
    for name, how in {"sampled": ((2, 3), 2, 1.0, True, False), "as many as fit": ((2, 2), 0, 0.8, False, False)}.items():
        cases.add("roi_align", name, roi_align(*how), (2, 4, 5, 2), rois, images)
    cases.add("roi_align_max", "sampled", roi_align((2, 3), 2, 1.0, True, True), (2, 4, 5, 2), rois, images)
    forward = roi_align((2, 3), 2, 1.0, True, False)

    def gradient(g, rois, images):
        """By the transpose's definition: an element's gradient is g . (the output that it makes alone)."""
        units = np.eye(80).reshape(80, 2, 4, 5, 2)
        return np.array([np.sum(g * forward(e, rois, images)) for e in units]).reshape(2, 4, 5, 2)
    cases.add("roi_align_gradient", "sampled", gradient, (3, 2, 3, 2), rois, images)
    rng = np.random.default_rng(7)
    boxes = np.round(rng.uniform(0, 4, (2, 6, 4)), 2)
    scores = np.round(rng.uniform(0, 1, (2, 2, 6)), 2)
    cases.add("non_max_suppression", "bounded", suppressed, boxes, scores)


# --- pooling and normalization -------------------------------------------------------------------

def pooling(cases):
    x = (2, 6, 7, 3)

    def first(f):
        return in_torch(lambda v: [to_last(y) for y in f(to_first(v))] if isinstance(f(to_first(v)), tuple)
                        else to_last(f(to_first(v))))
    cases.add("max_pool", "ceil", first(lambda v: F.max_pool2d(v, 3, 2, ceil_mode=True)), (2, 6, 8, 3))
    cases.add("average_pool", "ceil", first(lambda v: F.avg_pool2d(v, 3, 2, 1, ceil_mode=True, count_include_pad=False)), (2, 6, 8, 3))
    cases.add("average_pool", "ceil, whole", first(lambda v: F.avg_pool2d(v, 3, 2, 1, ceil_mode=True)), (2, 6, 8, 3))
    cases.add("lp_pool2d", "plain", first(lambda v: F.lp_pool2d(v, 2, (2, 3), 2)), x)
    cases.add("lp_pool2d", "cubes", first(lambda v: F.avg_pool2d(v.abs()**3, 2)**(1 / 3) * 4**(1 / 3)), x)
    cases.add("max_pool2d_with_indices", "plain", first(lambda v: F.max_pool2d(v, (2, 3), (2, 2), (1, 1), return_indices=True)), x)

    def whole(v):
        y, i = F.max_pool2d(v, (2, 3), (2, 2), (1, 1), return_indices=True)
        i = i // 7 + i % 7 * 6  # column-major within 6x7
        return y, i + (torch.arange(2)[:, None, None, None] * 3 + torch.arange(3)[:, None, None]) * 42
    cases.add("max_pool2d_with_indices", "whole, column-major", first(whole), x)

    def unpooled(v):
        y, i = F.max_pool2d(v, 2, return_indices=True)
        return F.max_unpool2d(y, i, 2, output_size=(6, 7))
    cases.add("max_unpool", "pooled", first(unpooled), x)
    cases.add("adaptive_average_pool", "uneven", first(lambda v: F.adaptive_avg_pool2d(v, (4, 3))), x)
    cases.add("adaptive_max_pool", "uneven", first(lambda v: F.adaptive_max_pool2d(v, (4, 3))), x)


def convolutions(cases):
    def depthwise(x, k, b):  # PyTorch's kernels: [channels * multiplier, 1, taps...]
        return to_last(F.conv2d(to_first(x), k.flatten(2).permute(2, 0, 1)[:, None], b, (2, 1), groups=3))
    cases.add("depthwise_conv2d", "two kernels a channel", in_torch(depthwise), (1, 5, 4, 3), (3, 2, 3, 2), (6,))

    def separable(x, k, p, b):
        each = F.conv1d(x, k.flatten(1).permute(1, 0)[:, None], None, dilation=2, groups=3)
        return F.conv1d(each, p.permute(2, 1, 0), b)
    cases.add("separable_conv1d", "channels first", in_torch(separable), (2, 3, 7), (3, 3, 2), (1, 6, 4), (4,))


def normalizations(cases):
    cases.add("instance_norm", "plain", in_torch(lambda x, s, o: to_last(F.instance_norm(
        to_first(x), weight=s, bias=o, eps=1e-5))), (2, 3, 4, 3), (3,), (3,))
    cases.add("rms_norm", "plain", in_torch(lambda x, s: F.rms_norm(x, (5,), s, 1e-6)), (2, 3, 5), (5,))
    cases.add("local_response_norm", "plain", in_torch(lambda x: to_last(F.local_response_norm(
        to_first(x), 3, alpha=0.5, beta=0.75, k=2))), (2, 3, 2, 7))
    cases.add("local_response_norm", "many channels", in_torch(lambda x: to_last(F.local_response_norm(
        to_first(x), 21, alpha=0.5, beta=0.75, k=2))), (1, 2, 2, 40))

    def even(x):
        squares = np.pad(x * x, ((0, 0), (1, 2)))
        return x / (1 + 0.5 / 4 * sum(squares[:, k:k + 7] for k in range(4)))**0.75
    cases.add("local_response_norm", "even size", even, (3, 7))


def main():
    cases = Cases("spatial.json", {"torch": torch.__version__, "numpy": np.__version__})
    resampling(cases)
    windows(cases)
    sampling(cases)
    regions(cases)
    pooling(cases)
    convolutions(cases)
    normalizations(cases)
    cases.write()


if __name__ == "__main__":
    main()
