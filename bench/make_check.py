#!/usr/bin/env python3
"""Writes what `varve-bench --check DIR` compares with: PyTorch's weights, data, gradients and losses.

  python3 make_check.py DIR        # needs torch, numpy and safetensors

One file a case, dropout off, arrays in Varve's order and layouts: images channels last, kernels
[height, width, in, out], dense weights [in, out] with their rows in the order of a channels-last flatten.
"""
import copy
import os
import sys

import numpy as np
import torch
import torch.nn as nn
from safetensors.numpy import save_file

CASES = {
    "mlp_small": (64, (784,), lambda: [nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)]),
    "mlp_big": (256, (784,), lambda: [nn.Linear(784, 2048), nn.ReLU(), nn.Linear(2048, 2048), nn.ReLU(), nn.Linear(2048, 10)]),
    "lenet5": (64, (1, 28, 28), lambda: [
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)]),
    "mnist_cnn": (128, (1, 28, 28), lambda: [
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(9216, 128), nn.ReLU(), nn.Linear(128, 10)]),
    "mnist_convnet": (128, (1, 28, 28), lambda: [
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(1600, 10)]),
}
STEPS = 20


def losses(net, x, y):
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, eps=1e-8)
    out = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        out.append(loss.item())
    return np.array(out, np.float64)


def to_varve(array, channels):
    """`channels`: of the last convolution, where this is the dense layer behind the flatten; else 0."""
    if array.ndim == 4:
        return array.transpose(2, 3, 1, 0)
    if array.ndim == 2 and channels:
        side = int(round((array.shape[1] // channels) ** 0.5))
        return array.reshape(-1, channels, side, side).transpose(2, 3, 1, 0).reshape(array.shape[1], -1)
    return array.T if array.ndim == 2 else array


def write(name, directory):
    torch.manual_seed(0)
    batch, shape, layers = CASES[name]
    net = nn.Sequential(*layers())
    x, y = torch.randn(batch, *shape), torch.randint(10, (batch,))
    arrays, channels = {}, 0
    nn.functional.cross_entropy(net(x), y).backward()
    for i, p in enumerate(net.parameters()):
        for kind, t in (("parameter", p.detach()), ("gradient", p.grad)):
            arrays["%s.%d" % (kind, i)] = np.array(to_varve(t.numpy(), channels), order="C", copy=True)
        if p.ndim == 4:
            channels = p.shape[0]
        elif p.ndim == 2:
            channels = 0
    arrays["x"] = np.ascontiguousarray(x.permute(0, 2, 3, 1).numpy()) if x.ndim == 4 else x.numpy()
    arrays["y"] = y.numpy()
    twin = copy.deepcopy(net).double()
    arrays["losses"] = losses(net, x, y)
    arrays["losses_f64"] = losses(twin, x.double(), y)
    save_file(arrays, os.path.join(directory, name + ".safetensors"))


if __name__ == "__main__":
    os.makedirs(sys.argv[1], exist_ok=True)
    for case in CASES:
        write(case, sys.argv[1])
