"""Golden values of activations from PyTorch in float64, and from Keras where PyTorch has none.

    python3 tests/golden/activations.py        # writes activations.json here; needs torch and keras

A case names the op and the sample of tests/ops/samples_*.cpp whose call gives the outputs.
"""
import keras
import numpy as np
import torch
import torch.nn.functional as F

from arrays import Cases

LINE = np.linspace(-6, 6, 49) + 0.01  # off every kink


def in_torch(f):
    return lambda *x: f(*[torch.from_numpy(a) for a in x]).numpy()


def in_keras(f):
    return lambda *x: np.asarray(f(*[keras.ops.convert_to_tensor(a) for a in x]))


TORCH = {
    "sigmoid": torch.sigmoid, "log_sigmoid": F.logsigmoid, "tanh": torch.tanh, "relu": F.relu,
    "relu6": F.relu6, "elu": lambda x: F.elu(x, 0.5), "selu": F.selu,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.25), "softplus": F.softplus, "softsign": F.softsign,
    "silu": F.silu, "gelu": F.gelu, "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "hard_sigmoid": F.hardsigmoid, "mish": F.mish,
    "softplus_beta": lambda x: F.softplus(x, 2, 3), "celu": lambda x: F.celu(x, 0.5),
    "tanh_shrink": F.tanhshrink, "thresholded_relu": lambda x: F.threshold(x, 1.5, 0),
    "hard_swish": F.hardswish, "hard_tanh": lambda x: F.hardtanh(x, -1, 2),
    "hard_shrink": lambda x: F.hardshrink(x, 0.75), "soft_shrink": lambda x: F.softshrink(x, 0.75),
    "step": lambda x: torch.heaviside(x, torch.tensor(1.0, dtype=x.dtype)),
}
KERAS = {"sparse_plus": keras.activations.sparse_plus,
         "sparse_sigmoid": keras.activations.sparse_sigmoid,
         "squareplus": lambda x: keras.activations.squareplus(x, b=2)}
# Rows whose samples are made by shape have no "plain".
BY_SHAPE = {"sigmoid", "log_sigmoid", "tanh", "relu", "relu6", "elu", "selu", "leaky_relu",
            "softplus", "softsign", "silu", "gelu", "gelu_tanh", "hard_sigmoid", "mish"}


def main():
    cases = Cases("activations.json", {"torch": torch.__version__, "keras": keras.__version__})
    for name, f in TORCH.items():
        cases.add(name, "[33]" if name in BY_SHAPE else "plain", in_torch(f), LINE)
    for name, f in KERAS.items():
        cases.add(name, "plain", in_keras(f), LINE)
    cases.add("glu", "plain", in_torch(F.glu), (3, 8))
    cases.add("glu", "first axis", in_torch(lambda x: F.glu(x, 0)), (4, 3))
    halves = lambda x, axis=-1: torch.chunk(x, 2, axis)
    for name, f in (("swiglu", F.silu), ("geglu", F.gelu)):
        cases.add(name, "plain", in_torch(lambda x: f(halves(x)[0]) * halves(x)[1]), (3, 8))
        cases.add(name, "first axis", in_torch(lambda x: f(halves(x, 0)[0]) * halves(x, 0)[1]),
                  (4, 3))
    cases.add("softmin", "plain", in_torch(lambda x: F.softmin(x, -1)), (3, 5))
    # Not sparsemax: Keras 3's rows do not sum to 1 where there are several.
    cases.add("maxout", "pairs", in_torch(lambda x: x.reshape(3, 4, 2).amax(-1)), (3, 8))
    cases.add("maxout", "first axis", in_torch(lambda x: x.reshape(2, 3, 5).amax(1)), (6, 5))
    cases.add("prelu", "a slope a channel",
              in_torch(lambda x, a: F.prelu(x.movedim(-1, 1), a).movedim(1, -1)), (4, 3, 5), (5,))
    cases.write()


if __name__ == "__main__":
    main()
