"""Golden values of masks that go from layer to layer, from Keras.

    python3 tests/golden/masks.py     # writes masks/keras.json; needs keras

A case is a sequence of layers as Varve's files have them, the weights in Keras' order, what comes
out for a batch of padded indices and, where it is trained, loss and accuracy of the whole batch.
"""
import json
import pathlib

import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(11)
IDS = np.array([[3, 5, 2, 0, 0], [1, 0, 0, 0, 0], [4, 2, 0, 5, 1], [2, 2, 3, 1, 4]])
CLASSES = rng.integers(0, 3, IDS.shape)
WEIGHTS = np.array([1.0, 0.5, 2.0, 0.25], "float32")
EMBEDDING = {"type": "embedding", "input_dim": 6, "output_dim": 4, "mask_zero": True}


def array(a):
    a = np.asarray(a)
    return {"shape": list(a.shape), "values": [float(np.float32(v)) for v in a.reshape(-1)]}


def case(name, ours, theirs, training=False, targets=None, valid_only=False):
    model = keras.Sequential([layers.Embedding(6, 4, mask_zero=True), *theirs])
    model(IDS)
    model.set_weights([rng.uniform(-1, 1, w.shape).astype("float32") if "variance" not in v.path
                       else np.ones(w.shape, "float32")
                       for v, w in zip(model.weights, model.get_weights())])
    weights = [array(w) for w in model.get_weights()]
    y = keras.ops.convert_to_numpy(model(IDS, training=training))
    if valid_only:  # what stands in masked steps means nothing
        y = y * (IDS != 0).reshape(IDS.shape + (1,) * (y.ndim - 2))
    result = {"name": name, "layers": [EMBEDDING, *ours], "training": training,
              "valid_only": valid_only, "weights": weights, "output": array(y)}
    if targets is not None:
        model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"],
                      weighted_metrics=[])
        result["loss"], result["accuracy"] = model.evaluate(IDS, targets, verbose=0)
        result["targets"] = array(targets)
        result["sample_weights"] = array(WEIGHTS)
        steps = np.repeat(WEIGHTS[:, None], IDS.shape[1], 1)  # Keras wants one a step
        result["weighted_loss"] = model.evaluate(IDS, targets, sample_weight=steps, verbose=0)[0]
    return result


def cases():
    lstm, gru = {"type": "lstm", "units": 3}, {"type": "gru", "units": 3}
    sequences = {"return_sequences": True}
    dense = {"type": "dense", "units": 3, "activation": "softmax"}
    yield case("two recurrent layers, others between",
               [{**lstm, **sequences}, {"type": "dropout", "rate": 0.5},
                {"type": "layer_norm", "epsilon": 0.001}, {"type": "activation", "activation": "tanh"},
                {**gru, "go_backwards": True}, dense],
               [layers.LSTM(3, return_sequences=True), layers.Dropout(0.5),
                layers.LayerNormalization(), layers.Activation("tanh"),
                layers.GRU(3, go_backwards=True), layers.Dense(3, activation="softmax")])
    yield case("zeros in the output",
               [{**lstm, **sequences, "zero_output_for_mask": True}],
               [layers.LSTM(3, return_sequences=True, zero_output_for_mask=True)])
    yield case("mean over time", [{"type": "time_distributed", "layer": {"type": "dense", "units": 3}},
                                  {"type": "global_average_pool1d"}],
               [layers.TimeDistributed(layers.Dense(3)), layers.GlobalAveragePooling1D()])
    yield case("batch norm of a batch in training",
               [{"type": "batch_norm"}], [layers.BatchNormalization()], training=True,
               valid_only=True)
    yield case("both directions, then a mean",
               [{"type": "bidirectional", "layer": {**gru, **sequences}},
                {"type": "global_average_pool1d"}],
               [layers.Bidirectional(layers.GRU(3, return_sequences=True)),
                layers.GlobalAveragePooling1D()])
    yield case("a class a step", [{**gru, **sequences}, dense],
               [layers.GRU(3, return_sequences=True), layers.Dense(3, activation="softmax")],
               targets=CLASSES)


def main():
    out = pathlib.Path(__file__).parent / "masks" / "keras.json"
    lines = ",\n".join(json.dumps(c) for c in cases())
    ids = json.dumps([int(i) for i in IDS.reshape(-1)])
    out.write_text('{"keras": "%s", "ids": %s, "cases": [\n%s\n]}\n'
                   % (keras.__version__, ids, lines))


if __name__ == "__main__":
    main()
