"""What Keras' spatial and normalization layers give: outputs, weights and parameter counts.

    KERAS_BACKEND=tensorflow python3 tests/golden/spatial_layers.py   # writes spatial_layers.json here

A case holds the layer as Varve's JSON, the input, Keras' weights by Varve's names, and the output.
"""
import json
import os
import pathlib

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np

L = keras.layers
HERE = pathlib.Path(__file__).parent
CASES = []


def array(a):
    return {"shape": list(a.shape), "values": [round(float(v), 7) for v in a.reshape(-1)]}


def add(config, layer, shape, names=()):
    rng = np.random.default_rng(len(CASES))
    x = np.round(rng.uniform(-2, 2, shape), 2).astype(np.float32)
    layer.build(shape)
    weights = []
    for name, w in zip(names, layer.weights):
        value = np.round(rng.uniform(0.2, 1, w.shape), 3).astype(np.float32)
        w.assign(value)
        weights.append({"name": name} | array(value))
    assert len(weights) == len(layer.weights), layer.weights
    y = np.asarray(layer(x))
    CASES.append({"layer": config, "x": array(x), "weights": weights, "y": array(y),
                  "parameters": int(layer.count_params())})


def main():
    image, line, volume = (2, 6, 7, 3), (2, 9, 4), (1, 4, 5, 3, 2)
    add({"type": "depthwise_conv1d", "kernel_size": 3, "depth_multiplier": 2, "padding": "same"},
        L.DepthwiseConv1D(3, depth_multiplier=2, padding="same"), line, ("kernel", "bias"))
    add({"type": "depthwise_conv2d", "kernel_size": [3, 2], "strides": 2, "depth_multiplier": 2},
        L.DepthwiseConv2D((3, 2), strides=2, depth_multiplier=2), image, ("kernel", "bias"))
    add({"type": "separable_conv1d", "filters": 5, "kernel_size": 3, "depth_multiplier": 2, "activation": "tanh"},
        L.SeparableConv1D(5, 3, depth_multiplier=2, activation="tanh"), line,
        ("depthwise_kernel", "pointwise_kernel", "bias"))
    add({"type": "separable_conv2d", "filters": 4, "kernel_size": 3, "strides": 2, "padding": "same"},
        L.SeparableConv2D(4, 3, strides=2, padding="same"), image, ("depthwise_kernel", "pointwise_kernel", "bias"))
    add({"type": "conv1d_transpose", "filters": 3, "kernel_size": 4, "strides": 3, "padding": "same"},
        L.Conv1DTranspose(3, 4, strides=3, padding="same"), line, ("kernel", "bias"))
    add({"type": "conv3d_transpose", "filters": 2, "kernel_size": [2, 3, 2], "strides": [2, 1, 2]},
        L.Conv3DTranspose(2, (2, 3, 2), strides=(2, 1, 2)), volume, ("kernel", "bias"))
    add({"type": "up_sampling1d", "size": 3}, L.UpSampling1D(3), line)
    add({"type": "up_sampling2d", "size": [2, 3]}, L.UpSampling2D((2, 3)), image)
    add({"type": "up_sampling2d", "size": 2, "interpolation": "bilinear"},
        L.UpSampling2D(2, interpolation="bilinear"), image)
    add({"type": "up_sampling2d", "size": [3, 2], "interpolation": "bicubic"},
        L.UpSampling2D((3, 2), interpolation="bicubic"), image)
    add({"type": "up_sampling3d", "size": [2, 1, 3]}, L.UpSampling3D((2, 1, 3)), volume)
    for name in ("nearest", "bilinear", "bicubic"):
        add({"type": "resizing", "height": 4, "width": 9, "interpolation": name},
            L.Resizing(4, 9, interpolation=name), image)
    add({"type": "resizing", "height": 3, "width": 4, "antialias": True},
        L.Resizing(3, 4, antialias=True), image)
    add({"type": "resizing", "height": 4, "width": 8, "crop_to_aspect_ratio": True},
        L.Resizing(4, 8, crop_to_aspect_ratio=True), image)
    add({"type": "resizing", "height": 4, "width": 8, "pad_to_aspect_ratio": True, "fill_value": 0.5},
        L.Resizing(4, 8, pad_to_aspect_ratio=True, fill_value=0.5), image)
    add({"type": "zero_padding1d", "padding": [[2, 1]]}, L.ZeroPadding1D((2, 1)), line)
    add({"type": "zero_padding2d", "padding": [1, 2]}, L.ZeroPadding2D((1, 2)), image)
    add({"type": "zero_padding3d", "padding": 1}, L.ZeroPadding3D(1), volume)
    add({"type": "cropping1d"}, L.Cropping1D(), line)
    add({"type": "cropping2d", "cropping": [[1, 2], [0, 3]]}, L.Cropping2D(((1, 2), (0, 3))), image)
    add({"type": "cropping3d", "cropping": 1}, L.Cropping3D(1), volume)
    for kind, keras_kind in (("average", L.AdaptiveAveragePooling2D), ("max", L.AdaptiveMaxPooling2D)):
        add({"type": f"adaptive_{kind}_pool2d", "output_size": [4, 3]}, keras_kind((4, 3)), image)
    add({"type": "adaptive_average_pool1d", "output_size": 4}, L.AdaptiveAveragePooling1D(4), line)
    add({"type": "adaptive_max_pool3d", "output_size": [2, 3, 2]}, L.AdaptiveMaxPooling3D((2, 3, 2)), volume)
    add({"type": "group_norm", "groups": 2}, L.GroupNormalization(2), (2, 3, 4, 6), ("gamma", "beta"))
    add({"type": "group_norm", "groups": -1, "epsilon": 0.01}, L.GroupNormalization(-1, epsilon=0.01), image,
        ("gamma", "beta"))
    add({"type": "instance_norm"}, L.GroupNormalization(-1), image, ("gamma", "beta"))
    add({"type": "rms_norm"}, L.RMSNormalization(), line, ("scale",))
    add({"type": "unit_norm"}, L.UnitNormalization(), image)
    add({"type": "layer_norm"}, L.LayerNormalization(), line, ("gamma", "beta"))
    for kind, N in (("zero_padding", "ZeroPadding%dD"), ("cropping", "Cropping%dD"), ("up_sampling", "UpSampling%dD")):
        for axes, shape in ((1, line), (2, image), (3, volume)):
            add({"type": f"{kind}{axes}d"}, getattr(L, N % axes)(), shape)  # as they are by default
    add({"type": "zero_padding1d", "padding": [1, 2]}, L.ZeroPadding1D((1, 2)), line)
    add({"type": "zero_padding1d", "padding": [2, 0], "data_format": "channels_first"},
        L.ZeroPadding1D((2, 0), data_format="channels_first"), line)
    add({"type": "cropping1d", "cropping": [0, 3]}, L.Cropping1D((0, 3)), line)
    head = json.dumps({"keras": keras.__version__})[1:-1]
    lines = ",\n".join(json.dumps(c) for c in CASES)
    (HERE / "spatial_layers.json").write_text("{%s, \"layers\": [\n%s\n]}\n" % (head, lines))


if __name__ == "__main__":
    main()
