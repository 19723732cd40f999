"""Golden values of losses from PyTorch and Keras in float64: the loss of each element or sample, and
the gradient by the prediction of its sum.

    python3 tests/golden/losses.py        # writes losses.json here; needs torch and keras

A case holds the loss as files spell it, the inputs and the outputs; tests/nn/loss_golden_test.cpp
reads it. Keras' own are computed by Keras on TensorFlow.
"""
import json
import os
import pathlib

os.environ["KERAS_BACKEND"] = "tensorflow"
import keras
import numpy as np
import tensorflow as tf
import torch
import torch.nn.functional as F

keras.backend.set_floatx("float64")
RNG = np.random.default_rng(7)
CASES = []


def listed(a):
    a = np.asarray(a)
    kind = "i64" if a.dtype.kind in "iu" else "f64"
    return {"shape": list(a.shape), "dtype": kind,
            "values": [float(v) if np.isfinite(v) else str(v) for v in a.reshape(-1)]}


def note(by, config, p, y, values, gradient, what=""):
    CASES.append({"by": by, "loss": config, "what": what, "prediction": listed(p),
                  "target": listed(y), "values": listed(values), "gradient": listed(gradient)})


def by_torch(config, f, p, y, what=""):
    x = torch.tensor(p, requires_grad=True)
    values = f(x, torch.tensor(y))
    values.sum().backward()
    note("torch", config, p, y, values.detach().numpy(), x.grad.numpy(), what)


def by_keras(config, loss, p, y, what=""):
    x = tf.Variable(p, dtype=tf.float64)
    with tf.GradientTape() as tape:
        values = loss(tf.constant(y), x)
        total = tf.reduce_sum(values)
    gradient = tape.gradient(total, x)
    note("keras", config, p, y, values.numpy(), tf.convert_to_tensor(gradient).numpy(), what)


def rounded(*shape, low=-2.0, high=2.0):
    return np.round(RNG.uniform(low, high, shape), 3)


def rows(*shape):
    p = RNG.uniform(0.05, 1, shape)
    return p / p.sum(-1, keepdims=True)


def regression():
    p, y = rounded(4, 3), rounded(4, 3)
    positive, counts = rounded(4, 3, low=0.1), np.array([[0, 1, 2], [3, 0, 5], [1, 4, 2], [7, 0, 1]],
                                                        dtype=np.float64)
    none = {"reduction": "none"}
    by_torch("mse", lambda a, b: F.mse_loss(a, b, **none), p, y)
    by_torch("mae", lambda a, b: F.l1_loss(a, b, **none), p, y)
    by_torch({"type": "huber", "delta": 0.7}, lambda a, b: F.huber_loss(a, b, delta=0.7, **none), p, y)
    by_torch({"type": "smooth_l1", "beta": 0.7},
             lambda a, b: F.smooth_l1_loss(a, b, beta=0.7, **none), p, y)
    by_torch({"type": "poisson", "log_input": True},
             lambda a, b: F.poisson_nll_loss(a, b, **none), p, counts)
    by_torch({"type": "poisson", "log_input": True, "full": True},
             lambda a, b: F.poisson_nll_loss(a, b, full=True, **none), p, counts)
    mean_over_axis = lambda f: lambda y, p: f(y[..., None], p[..., None])  # Keras averages the last
    by_keras("mape", mean_over_axis(keras.losses.mean_absolute_percentage_error), p, y)
    by_keras("msle", mean_over_axis(keras.losses.mean_squared_logarithmic_error), positive, counts)
    by_keras("log_cosh", mean_over_axis(keras.losses.log_cosh), 5 * p, y)
    by_keras("poisson", mean_over_axis(keras.losses.poisson), positive, counts)
    by_keras("cosine_similarity", keras.losses.cosine_similarity, p, y)


def classification():
    none = {"reduction": "none"}
    x, labels = rounded(5, 4), np.array([0, 3, 1, 1, 2])
    weights = torch.tensor([1.0, 0.5, 2.0, 0.25], dtype=torch.float64)
    w = [1.0, 0.5, 2.0, 0.25]
    soft = rows(5, 4)
    logits = {"type": "cross_entropy", "from_logits": True}
    by_torch(logits, lambda a, b: F.cross_entropy(a, b, **none), x, labels)
    by_torch({**logits, "label_smoothing": 0.1, "class_weights": w}, lambda a, b: F.cross_entropy(
        a, b, weights, label_smoothing=0.1, **none), x, labels)
    by_torch({**logits, "class_weights": w, "label_smoothing": 0.2}, lambda a, b: F.cross_entropy(
        a, b, weights, label_smoothing=0.2, **none), x, soft)
    # The mean is over those that count: here each is divided by the share of them.
    by_torch({**logits, "ignore_index": 1}, lambda a, b: F.cross_entropy(
        a, b, ignore_index=1, **none) * 5 / 3, x, labels)
    by_keras({"type": "cross_entropy", "label_smoothing": 0.1}, lambda y, p:
             keras.losses.categorical_crossentropy(y, p, label_smoothing=0.1), soft, rows(5, 4))
    by_torch("negative_log_likelihood", lambda a, b: F.nll_loss(a, b, **none), x, labels)
    by_torch({"type": "negative_log_likelihood", "class_weights": w, "ignore_index": 2},
             lambda a, b: F.nll_loss(a, b, weights, ignore_index=2, **none) * 5 / 4, x, labels)
    yes = np.array([[0.0, 1, 1], [1, 0, 0], [1, 1, 0]])
    s = rounded(3, 3)
    by_torch({"type": "binary_cross_entropy", "from_logits": True, "positive_weight": 3.0},
             lambda a, b: F.binary_cross_entropy_with_logits(
                 a, b, pos_weight=torch.tensor(3.0, dtype=torch.float64), **none), s, yes)
    by_torch("binary_cross_entropy", lambda a, b: F.binary_cross_entropy(a, b, **none),
             rounded(3, 3, low=0.1, high=0.9), yes)
    mean_over_axis = lambda f, **o: lambda y, p: f(y[..., None], p[..., None], **o)
    for from_logits, p in ((False, rounded(3, 3, low=0.1, high=0.9)), (True, s)):
        by_keras({"type": "binary_focal", "from_logits": from_logits, "gamma": 1.5, "alpha": 0.3},
                 mean_over_axis(keras.losses.binary_focal_crossentropy, from_logits=from_logits,
                                gamma=1.5, alpha=0.3, apply_class_balancing=True), p, yes)
        by_keras({"type": "binary_focal", "from_logits": from_logits, "alpha": None},
                 mean_over_axis(keras.losses.binary_focal_crossentropy, from_logits=from_logits),
                 p, yes, "all alike")
        hot = np.eye(4)[labels]
        by_keras({"type": "categorical_focal", "from_logits": from_logits, "alpha": 0.4},
                 lambda y, q: keras.losses.categorical_focal_crossentropy(
                     y, q, alpha=0.4, from_logits=from_logits), x if from_logits else soft, hot)
    by_keras("kl_divergence", keras.losses.kl_divergence, soft, rows(5, 4))
    by_torch({"type": "kl_divergence", "log_prediction": True}, lambda a, b: F.kl_div(
        a, b, **none).sum(-1), np.log(soft), np.eye(4)[labels], "certain targets")
    signs = np.where(yes > 0, 1.0, -1.0)
    by_keras("hinge", mean_over_axis(keras.losses.hinge), s, signs)
    by_keras("squared_hinge", mean_over_axis(keras.losses.squared_hinge), s, signs)
    # Of scores above 0: Keras takes lesser ones of other classes as 0.
    by_keras({"type": "categorical_hinge", "form": "max"}, keras.losses.categorical_hinge,
             x + 3, np.eye(4)[labels])
    # PyTorch divides by the number of classes.
    for power in (1, 2):
        by_torch({"type": "categorical_hinge", "power": float(power), "margin": 0.8},
                 lambda a, b: F.multi_margin_loss(a, b, p=power, margin=0.8, **none) * 4, x, labels)


def maps():
    p, y = rounded(2, 4, 3, 2, low=0.05, high=0.95), (RNG.uniform(size=(2, 4, 3, 2)) > 0.5) * 1.0
    by_keras("dice", lambda t, q: keras.losses.dice(t, q, axis=(1, 2, 3)), p, y)
    # Keras' code multiplies false negatives by alpha, against its words and the paper.
    by_keras({"type": "tversky", "alpha": 0.7, "beta": 0.3}, lambda t, q: keras.losses.tversky(
        t, q, alpha=0.3, beta=0.7, axis=(1, 2, 3)), p, y)

    def iou(a, b):
        both = (a * b).sum((1, 2))
        return (1 - both / (a.sum((1, 2)) + b.sum((1, 2)) - both)).mean(-1)
    by_torch({"type": "iou", "smooth": 0.0, "per_class": True}, iou, p, y)


def pairs():
    d, y = rounded(6, low=0.1), np.array([1.0, 0, 1, 0, 0, 1])
    by_torch({"type": "contrastive", "margin": 1.5},
             lambda a, b: b * a ** 2 + (1 - b) * torch.relu(1.5 - a) ** 2, d, y)
    x, labels = rounded(7, 3), np.array([0, 1, 0, 2, 1, 0, 3])

    def mined(kind, squared):
        def f(a, b):
            d2 = ((a[:, None] - a[None]) ** 2).sum(-1)
            dist = d2 if squared else torch.sqrt(torch.where(d2 > 0, d2, 1.0)) * (d2 > 0)
            n, losses = len(b), []
            for i in range(n):
                positives = [j for j in range(n) if j != i and b[j] == b[i]]
                negatives = [j for j in range(n) if b[j] != b[i]]
                if kind == "hard" and positives:
                    losses.append(max(dist[i, j] for j in positives)
                                  - min(dist[i, j] for j in negatives))
                for j in positives if kind == "semi_hard" else ():
                    beyond = [dist[i, k] for k in negatives if dist[i, k] > dist[i, j]]
                    other = min(beyond) if beyond else max(dist[i, k] for k in negatives)
                    losses.append(dist[i, j] - other)
            return torch.relu(torch.stack(losses) + 0.8).mean()
        return f
    for kind in ("semi_hard", "hard"):
        for squared in (True, False):
            by_torch({"type": "triplet_mining", "mining": kind, "squared": squared, "margin": 0.8},
                     mined(kind, squared), x, labels)


def sequences():
    x = rounded(4, 7, 5)
    labels = np.array([[1, 2, 2], [3, -1, -1], [-1, -1, -1], [4, 1, 4]])
    lengths = torch.tensor((labels >= 0).sum(1))

    def f(a, b, blank=0):
        return F.ctc_loss(F.log_softmax(a, -1).transpose(0, 1), b.clamp(min=0), torch.full((4,), 7),
                          lengths, blank=blank, reduction="none")
    by_torch("ctc", f, x, labels)
    by_torch({"type": "ctc", "blank": 3}, lambda a, b: f(a, torch.where(b == 3, 0, b), 3), x,
             np.where(labels == 3, 0, labels), "another blank")


def main():
    for part in (regression, classification, maps, pairs, sequences):
        part()
    lines = ",\n".join(json.dumps(c) for c in CASES)
    head = f'"torch": "{torch.__version__}", "keras": "{keras.__version__}"'
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text("{%s, \"losses\": [\n%s\n]}\n" % (head, lines))
    print(len(CASES), "cases")


if __name__ == "__main__":
    main()
