"""Golden values of recurrent networks and attention from PyTorch in float64.

    python3 tests/golden/sequence.py        # writes sequence.json here; needs torch

A case names the op and the sample of tests/ops/samples_sequence.cpp whose call gives the outputs.
Kernels are [in, gates units] and gates in Keras' order; PyTorch has them turned, and the gates of a
GRU as reset, update, candidate.
"""
import torch
import torch.nn.functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from arrays import Cases


def in_torch(f):
    def run(*arrays):
        y = f(*[torch.from_numpy(a) for a in arrays])
        return [t.detach().numpy() for t in y] if isinstance(y, (tuple, list)) else y.numpy()
    return run


def reset_first(w):
    """z, r, n along the last axis as r, z, n."""
    z, r, n = w.chunk(3, -1)
    return torch.cat([r, z, n], -1)


def fill(net, w, u, b):
    """b is [gates units], or [2, gates units]."""
    with torch.no_grad():
        net.weight_ih_l0.copy_(w.T)
        net.weight_hh_l0.copy_(u.T)
        two = b if b.dim() == 2 else torch.stack([b, torch.zeros_like(b)])
        net.bias_ih_l0.copy_(two[0])
        net.bias_hh_l0.copy_(two[1])
    return net


def made(kind, x, w, u, b, **more):
    if kind is torch.nn.GRU:
        w, u, b = reset_first(w), reset_first(u), reset_first(b)
    net = kind(x.shape[2], u.shape[0], batch_first=True, dtype=torch.float64, **more)
    return fill(net, w, u, b)


def lstm(x, w, u, b, h, c):
    y, (h, c) = made(torch.nn.LSTM, x, w, u, b)(x, (h[None], c[None]))
    return y, h[0], c[0]


def gru(x, w, u, b, h):
    y, h = made(torch.nn.GRU, x, w, u, b)(x, h[None])
    return y, h[0]


def rnn(activation):
    def f(x, w, u, b, h):
        y, h = made(torch.nn.RNN, x, w, u, b, nonlinearity=activation)(x, h[None])
        return y, h[0]
    return f


def with_lengths(kind):
    def f(x, w, u, b, lengths):
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        y, state = made(kind, x, w, u, b)(packed)
        y, _ = pad_packed_sequence(y, batch_first=True, total_length=x.shape[1])
        return (y, state[0][0], state[1][0]) if kind is torch.nn.LSTM else (y, state[0])
    return f


def backwards(f):
    """From the last step to the first: x turned around on the way in, y on the way out."""
    def run(x, *rest):
        y, *states = f(x.flip(1), *rest)
        return (y.flip(1), *states)
    return run


def sizes(batch, steps, features, units, gates, bias=None):
    n = gates * units
    return (batch, steps, features), (features, n), (units, n), bias or (n,)


def recurrent(cases):
    for name, (batch, steps, features, units) in {
            "tiny": (1, 2, 1, 1), "plain": (2, 3, 2, 3), "longer": (3, 9, 5, 17)}.items():
        h = (batch, units)
        if name != "longer":  # chaotic with weights so large
            cases.add("rnn", name, in_torch(rnn("tanh")), *sizes(batch, steps, features, units, 1), h)
        cases.add("lstm", name, in_torch(lstm), *sizes(batch, steps, features, units, 4), h, h)
        cases.add("gru", name, in_torch(gru),
                  *sizes(batch, steps, features, units, 3, (2, 3 * units)), h)
    cases.add("rnn", "relu", in_torch(rnn("relu")), *sizes(2, 3, 2, 3, 1), (2, 3))
    cases.add("rnn", "reverse", in_torch(backwards(rnn("tanh"))), *sizes(2, 3, 2, 3, 1), (2, 3))
    cases.add("lstm", "reverse", in_torch(backwards(lstm)), *sizes(2, 3, 2, 3, 4), (2, 3), (2, 3))
    cases.add("gru", "reverse", in_torch(backwards(gru)), *sizes(2, 3, 2, 3, 3, (2, 9)), (2, 3))
    for op, kind, gates in (("rnn", torch.nn.RNN, 1), ("lstm", torch.nn.LSTM, 4)):
        cases.add(op, "lengths", in_torch(with_lengths(kind)), *sizes(3, 4, 2, 3, gates), [4, 1, 2])
    cases.add("gru", "lengths", in_torch(with_lengths(torch.nn.GRU)),
              *sizes(3, 4, 2, 3, 3, (2, 9)), [4, 1, 2])


def attend(**options):
    """Of [batch, time, heads, size]."""
    def f(q, k, v, mask=None):
        q, k, v = (t.transpose(1, 2) for t in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, **options)
        return y.transpose(1, 2)
    return f


def attention(cases):
    cases.add("attention", "plain", in_torch(attend()), (2, 3, 2, 4), (2, 5, 2, 4), (2, 5, 2, 3))
    cases.add("attention", "causal", in_torch(attend(is_causal=True)),
              (1, 5, 2, 3), (1, 5, 2, 3), (1, 5, 2, 3))
    cases.add("attention", "grouped queries", in_torch(attend(enable_gqa=True)),
              (1, 3, 6, 4), (1, 4, 2, 4), (1, 4, 2, 4))
    cases.add("attention", "added mask", in_torch(attend()),
              (2, 3, 2, 2), (2, 4, 2, 2), (2, 4, 2, 2), (1, 2, 3, 4))
    cases.add("attention", "scaled", in_torch(attend(scale=0.3)),
              (1, 3, 1, 2), (1, 3, 1, 2), (1, 3, 1, 2))


def main():
    torch.manual_seed(0)
    cases = Cases("sequence.json", {"torch": torch.__version__})
    recurrent(cases)
    attention(cases)
    cases.write()


if __name__ == "__main__":
    main()
