"""What the networks of Varve's benchmark in PyTorch are made of.

The networks, batches, losses and optimizers are those of bench/*_cases.cpp. All tensors are of f32, synthetic and
resident in memory.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F

CASES = {}  # a function that makes the case, by name


def case(name):
    def note(f):
        CASES[name] = f
        return f

    return note


class Bench:
    """A case: modules by name, a training step, inference. Steps look modules and inputs up: both can be replaced."""

    def __init__(self, batch, modules, train, infer, inputs, optimizer):
        self.batch = batch  # samples a step
        self.m = modules
        self.train = train
        self.infer = infer
        self.inputs = inputs
        self.optimizer = optimizer  # "adam", "adamw", "sgdm" or "sgd"


def make_opt(kind, params, lr=1e-3):
    if kind == "adam":
        return torch.optim.Adam(params, lr=lr)
    if kind == "adamw":
        return torch.optim.AdamW(params, lr=lr)
    if kind == "sgdm":
        return torch.optim.SGD(params, lr=lr, momentum=0.9, weight_decay=1e-4)
    return torch.optim.SGD(params, lr=lr)


def supervised(net, x, y, opt="adam", loss=F.cross_entropy, clip=0.0, batch=None):
    m = {"net": net}
    inp = {"x": x, "y": y}
    params = list(net.parameters())
    optim = make_opt(opt, params)

    def train():
        optim.zero_grad(set_to_none=True)
        out = loss(m["net"](inp["x"]), inp["y"])
        out.backward()
        if clip:
            nn.utils.clip_grad_norm_(params, clip)
        optim.step()
        return out

    def infer():
        return m["net"](inp["x"])

    return Bench(batch or x.shape[0], m, train, infer, inp, opt)


def mlp(*sizes):
    layers = []
    for i in range(len(sizes) - 1):
        layers.append(nn.Linear(sizes[i], sizes[i + 1]))
        if i < len(sizes) - 2:
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)


class Sdpa(nn.Module):
    """Scaled dot-product attention on (batch, heads, time, size): a module, so that its work can be noted."""

    def forward(self, q, k, v, causal):
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal)


class Mha(nn.Module):
    def __init__(self, d, h, cross=False):
        super().__init__()
        self.h, self.cross = h, cross
        if cross:
            self.q, self.kv = nn.Linear(d, d), nn.Linear(d, 2 * d)
        else:
            self.qkv = nn.Linear(d, 3 * d)
        self.sdpa, self.o = Sdpa(), nn.Linear(d, d)

    def forward(self, x, memory=None, causal=False):
        b, t, d = x.shape
        parts = (self.q(x), *self.kv(memory).split(d, 2)) if self.cross else self.qkv(x).split(d, 2)
        q, k, v = (z.view(b, -1, self.h, d // self.h).transpose(1, 2) for z in parts)
        return self.o(self.sdpa(q, k, v, causal).transpose(1, 2).reshape(b, t, d))
