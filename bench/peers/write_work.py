#!/usr/bin/env python3
"""Counts the work of each case, from its network in PyTorch, and writes work.json, which needs no peer to be read.

  python3 write_work.py [--out bench/peers/work.json]

For each case, training, inference and inference of one sample ("infer1") a list of kernels [kind, flops, bytes, count]:
a layer's forward pass, the gradient with respect to its input where one is needed, the one with respect to its weights,
and the optimizer's update.

flops: two for each multiplication of a direct convolution, matrix product or attention (of causal attention the half
that counts), so that a kernel that does with fewer (Winograd) can exceed the peak. Of a GAN also the gradients of the
discriminator's weights in the generator's step, which PyTorch computes.

bytes: what a kernel has to read and write once, four a number. Forward: input, weights, output; gradient of the input:
the output's gradient, weights, the input's gradient; gradient of the weights: the output's gradient, input, the
weights' gradient. A norm counts as the gradient of its input, which reads the input too. Layers without weights that
work element by element (activations, dropout, sums) and batch normalization in inference count as parts of their
neighbours: nothing. An optimizer reads gradients, reads and writes parameters and state.
"""
import argparse
import collections
import json
import os

import torch
import torch.nn as nn
from peer_torch import CASES, keep_one_sample
from torch_parts import Sdpa

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm)
MODES = ("train", "infer", "infer1")
POOLS = (nn.MaxPool2d, nn.AdaptiveAvgPool2d)
# Numbers that an update reads and writes for each parameter: it and its state twice, its gradient once.
UPDATED = {"adam": 7, "adamw": 7, "sgdm": 5, "sgd": 3}


def products(module, inputs, output):
    """(kind, flops of the forward pass) of a layer that multiplies, None for others."""
    x = inputs[0]
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        # A transposed convolution is the gradient of one that goes the other way.
        small = x if isinstance(module, nn.ConvTranspose2d) else output
        return "convolution", 2.0 * small.numel() * module.weight[0].numel()
    if isinstance(module, nn.Linear):
        return "dense", 2.0 * output.numel() * module.in_features
    if isinstance(module, nn.LSTM):
        first = module.input_size + module.hidden_size
        wide = first + (module.num_layers - 1) * 2 * module.hidden_size
        return "lstm", 2.0 * x.shape[0] * x.shape[1] * 4 * module.hidden_size * wide
    if isinstance(module, Sdpa):
        pairs = x.shape[2] * inputs[1].shape[2]
        if inputs[3]:
            pairs = x.shape[2] * (x.shape[2] + 1) / 2
        return "attention", 4.0 * x.shape[0] * x.shape[1] * pairs * x.shape[3]
    return None


def kernels_of(module, inputs, output, training):
    """The kernels [kind, flops, bytes] of one call."""
    output = output[0] if isinstance(output, tuple) else output
    x = inputs[0]
    y, w = output.numel(), sum(p.numel() for p in module.parameters())
    sources = 3 if isinstance(module, Sdpa) else 1
    n = sources * x.numel()
    to_input = torch.is_tensor(x) and x.requires_grad
    to_weights = torch.is_grad_enabled() and any(p.requires_grad for p in module.parameters())
    if found := products(module, inputs, output):
        kind, flops = found
        out = [[kind, flops, 4 * (n + w + y)]]
        if isinstance(module, (nn.LSTM, Sdpa)):  # one kernel gives all gradients, of twice the products
            if to_input or to_weights:
                out.append([kind + " gradient", 2 * flops, 4 * (2 * n + 2 * w + y)])
            return out
        if to_input:
            out.append([kind + " input gradient", flops, 4 * (y + w + n)])
        if to_weights:
            out.append([kind + " weight gradient", flops, 4 * (y + n + w)])
        return out
    if isinstance(module, NORMS):
        if not training and isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            return []
        return [["norm", 8.0 * n, 8 * n]] + ([["norm gradient", 8.0 * n, 12 * n]] if to_weights else [])
    if isinstance(module, POOLS):
        return [["pool", float(n), 4 * (n + y)]] + ([["pool gradient", float(n), 4 * (n + y)]] if to_input else [])
    if isinstance(module, nn.Embedding):
        return [["embedding", 0.0, 8 * y]] + ([["embedding gradient", 0.0, 8 * y]] if to_weights else [])
    return []


def sparse_kernels(net, training):
    """The two products with GCN's sparse matrix, which are no modules. Each of its entries has a value and a column."""
    entries, nodes = net.adj._nnz(), net.adj.shape[0]
    out = []
    for width in (net.l1.out_features, net.l2.out_features):
        kernel = [2.0 * entries * width, 8 * entries + 8 * nodes * width]
        out += [["sparse product", *kernel]] + ([["sparse product gradient", *kernel]] if training else [])
    return out


def work_of(name, mode):
    torch.manual_seed(0)
    bench, found = CASES[name](), []
    if mode == "infer1":
        keep_one_sample(name, bench)
    leaves = {m for net in bench.m.values() for m in net.modules() if isinstance(m, Sdpa) or not list(m.children())}
    for module in leaves:
        module.train(mode == "train").register_forward_hook(
            lambda m, inputs, output: found.extend(kernels_of(m, inputs, output, mode == "train")))
    if mode == "train":
        bench.train()
        # A network without gradients, like the target of deep Q-learning, is not updated.
        updated = sum(p.numel() for net in bench.m.values() for p in net.parameters() if p.grad is not None)
        found.append(["update", 2.0 * UPDATED[bench.optimizer] * updated, 4 * UPDATED[bench.optimizer] * updated])
    else:
        with torch.no_grad():
            bench.infer()
    if name == "gcn_cora":
        found += sparse_kernels(bench.m["net"], mode == "train")
    alike = collections.Counter(map(tuple, found))
    return [[kind, int(flops), int(size), count] for (kind, flops, size), count in alike.items()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "work.json"))
    a = parser.parse_args()
    lines = [f' "{name}": {{\n' + ",\n".join(f'  "{mode}": {json.dumps(work_of(name, mode))}' for mode in MODES) + "}"
             for name in CASES]
    with open(a.out, "w", encoding="utf-8") as f:
        f.write("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
