"""Golden values of recurrent and attention layers from Keras.

    python3 tests/golden/sequence_layers.py     # writes sequence_layers/keras.json; needs keras

A case is a layer as Varve's files have it, its inputs and weights in Keras' order, and the outputs.
"""
import json
import pathlib

import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(7)


def array(a):
    a = np.asarray(a)
    kind = "bool" if a.dtype == bool else "f32"
    return {"shape": list(a.shape), "dtype": kind,
            "values": [float(np.float32(v)) for v in a.reshape(-1)]}


def uniform(*shape):
    return rng.uniform(-1, 1, shape).astype("float32")


MASK = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [0, 1, 1, 0]], bool)


def case(name, ours, layer, inputs, mask=None, call=None):
    run = call or (lambda: layer(inputs[0], mask=mask) if mask is not None else layer(*inputs))
    run()  # makes the weights
    layer.set_weights([uniform(*w.shape) for w in layer.get_weights()])
    y = run()
    y = y if isinstance(y, (list, tuple)) else [y]
    given = list(inputs) + ([mask] if mask is not None else [])
    return {"name": name, "layer": ours, "inputs": [array(x) for x in given],
            "weights": [array(w) for w in layer.get_weights()],
            "outputs": [array(keras.ops.convert_to_numpy(t)) for t in y]}


def recurrent(cases):
    x = uniform(3, 4, 2)
    both = {"return_sequences": True, "return_state": True}
    for type_name, kind in (("simple_rnn", layers.SimpleRNN), ("lstm", layers.LSTM),
                            ("gru", layers.GRU)):
        ours = {"type": type_name, "units": 3}
        cases.append(case(f"{type_name} last state", ours, kind(3), [x]))
        cases.append(case(f"{type_name} all", {**ours, **both}, kind(3, **both), [x]))
        cases.append(case(f"{type_name} masked", {**ours, **both}, kind(3, **both), [x], MASK))
        cases.append(case(f"{type_name} backwards and masked",
                          {**ours, **both, "go_backwards": True},
                          kind(3, go_backwards=True, **both), [x], MASK))
    cases.append(case("gru reset before", {"type": "gru", "units": 3, "reset_after": False},
                      layers.GRU(3, reset_after=False), [x]))
    cases.append(case("lstm of other functions",
                      {"type": "lstm", "units": 3, "activation": "relu",
                       "recurrent_activation": "hard_sigmoid"},
                      layers.LSTM(3, activation="relu", recurrent_activation="hard_sigmoid"), [x]))
    for mode in ("concat", "sum", "mul", "ave"):
        cases.append(case(f"bidirectional {mode}",
                          {"type": "bidirectional", "merge_mode": mode,
                           "layer": {"type": "gru", "units": 3, "return_sequences": True}},
                          layers.Bidirectional(layers.GRU(3, return_sequences=True),
                                               merge_mode=mode), [x], MASK))
    cases.append(case("bidirectional last state",
                      {"type": "bidirectional", "layer": {"type": "lstm", "units": 2}},
                      layers.Bidirectional(layers.LSTM(2)), [x]))
    images = uniform(2, 3, 5, 4, 2)
    cases.append(case("conv_lstm2d",
                      {"type": "conv_lstm2d", "filters": 3, "kernel_size": 3, "padding": "same",
                       **both},
                      layers.ConvLSTM2D(3, 3, padding="same", **both), [images]))
    cases.append(case("conv_lstm2d valid",
                      {"type": "conv_lstm2d", "filters": 2, "kernel_size": [2, 3]},
                      layers.ConvLSTM2D(2, (2, 3)), [images]))


def attention(cases):
    q, v = uniform(2, 3, 6), uniform(2, 4, 6)
    mha = {"type": "multi_head_attention", "num_heads": 2, "key_dim": 3}
    for name, more, call_options in (
            ("cross", {}, {}), ("masked", {}, {"attention_mask": rng.uniform(size=(2, 3, 4)) > 0.3}),
            ("value size", {"value_dim": 5}, {})):
        layer = layers.MultiHeadAttention(2, 3, **more)
        mask = call_options.get("attention_mask")
        cases.append(case(f"multi_head_attention {name}", {**mha, **more}, layer, [q, v], mask,
                          lambda: layer(q, v, **call_options)))
    own = layers.MultiHeadAttention(2, 3)
    cases.append(case("multi_head_attention causal", {**mha, "causal": True}, own, [q], None,
                      lambda: own(q, q, use_causal_mask=True)))
    dot = layers.Attention()
    cases.append(case("attention dot", {"type": "attention", "score": "dot"}, dot, [q, v], None,
                      lambda: dot([q, v])))
    add = layers.AdditiveAttention()
    cases.append(case("additive_attention", {"type": "additive_attention"}, add, [q, v], None,
                      lambda: add([q, v])))


def main():
    cases = []
    recurrent(cases)
    attention(cases)
    out = pathlib.Path(__file__).parent / "sequence_layers" / "keras.json"
    lines = ",\n".join(json.dumps(c) for c in cases)
    out.write_text('{"keras": "%s", "cases": [\n%s\n]}\n' % (keras.__version__, lines))


if __name__ == "__main__":
    main()
