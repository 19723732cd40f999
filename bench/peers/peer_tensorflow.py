#!/usr/bin/env python3
"""Times one case of Varve's benchmark in TensorFlow and prints a line of JSON.

  python3 peer_tensorflow.py --case lenet5 [--mode train] [--threads 2] [--min-time 1.5] [--batch1]

Keras' layers, channels last, and one tf.function for a whole training step; for the cases in NAMES.
"""
import os
import sys

import running

NAMES = ("mlp_small mlp_big lenet5 mnist_cnn mnist_convnet resnet20_cifar resnet18_imagenet mobilenet_v2_96 vgg11bn_cifar "
         "unet_128 char_lstm ptb_lstm").split()


def build(name, keras):
    """(model, input shape with batch, classes, optimizer, integer input?)"""
    L, S = keras.layers, keras.Sequential

    def conv_bn(x, o, k=3, s=1, act=True):
        if s > 1:
            x = L.ZeroPadding2D(k // 2)(x)
        x = L.Conv2D(o, k, s, "valid" if s > 1 else "same", use_bias=False)(x)
        x = L.BatchNormalization()(x)
        return L.ReLU()(x) if act else x

    def basic(x, o, s):
        y = conv_bn(conv_bn(x, o, 3, s), o, act=False)
        if s != 1 or x.shape[-1] != o:
            x = conv_bn(x, o, 1, s, act=False)
        return L.ReLU()(L.Add()([x, y]))

    def functional(shape, f):
        i = keras.Input(shape)
        return keras.Model(i, f(i))

    sgdm = lambda: keras.optimizers.SGD(0.1, momentum=0.9)
    adam = keras.optimizers.Adam
    if name == "mlp_small":
        return S([keras.Input((784,)), L.Dense(128, "relu"), L.Dense(10)]), (64, 784), 10, adam, 0
    if name == "mlp_big":
        return S([keras.Input((784,)), L.Dense(2048, "relu"), L.Dense(2048, "relu"), L.Dense(10)]), (256, 784), 10, adam, 0
    if name == "lenet5":
        return S([keras.Input((28, 28, 1)), L.Conv2D(6, 5, padding="same", activation="relu"), L.MaxPooling2D(),
                  L.Conv2D(16, 5, activation="relu"), L.MaxPooling2D(), L.Flatten(), L.Dense(120, "relu"),
                  L.Dense(84, "relu"), L.Dense(10)]), (64, 28, 28, 1), 10, adam, 0
    if name == "mnist_cnn":
        return S([keras.Input((28, 28, 1)), L.Conv2D(32, 3, activation="relu"), L.Conv2D(64, 3, activation="relu"),
                  L.MaxPooling2D(), L.Dropout(0.25), L.Flatten(), L.Dense(128, "relu"), L.Dropout(0.5),
                  L.Dense(10)]), (128, 28, 28, 1), 10, adam, 0
    if name == "mnist_convnet":
        return S([keras.Input((28, 28, 1)), L.Conv2D(32, 3, activation="relu"), L.MaxPooling2D(),
                  L.Conv2D(64, 3, activation="relu"), L.MaxPooling2D(), L.Flatten(), L.Dropout(0.5),
                  L.Dense(10)]), (128, 28, 28, 1), 10, adam, 0
    if name == "resnet20_cifar":
        def f(x):
            x = conv_bn(x, 16)
            for o, s in ((16, 1), (16, 1), (16, 1), (32, 2), (32, 1), (32, 1), (64, 2), (64, 1), (64, 1)):
                x = basic(x, o, s)
            return L.Dense(10)(L.GlobalAveragePooling2D()(x))
        return functional((32, 32, 3), f), (128, 32, 32, 3), 10, sgdm, 0
    if name == "resnet18_imagenet":
        def f(x):
            x = L.MaxPooling2D(3, 2, "same")(conv_bn(x, 64, 7, 2))
            for o, s in ((64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)):
                x = basic(x, o, s)
            return L.Dense(1000)(L.GlobalAveragePooling2D()(x))
        return functional((224, 224, 3), f), (8, 224, 224, 3), 1000, sgdm, 0
    if name == "mobilenet_v2_96":
        m = keras.applications.MobileNetV2((96, 96, 3), weights=None, classes=100, classifier_activation=None)
        return m, (16, 96, 96, 3), 100, sgdm, 0
    if name == "vgg11bn_cifar":
        def f(x):
            for o in (64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"):
                x = L.MaxPooling2D()(x) if o == "M" else conv_bn(x, o)
            return L.Dense(10)(L.Flatten()(x))
        return functional((32, 32, 3), f), (64, 32, 32, 3), 10, sgdm, 0
    if name == "unet_128":
        def dbl(x, o):
            return conv_bn(conv_bn(x, o), o)

        def f(x):
            skips = []
            for o in (32, 64, 128, 256):
                x = dbl(x, o)
                skips.append(x)
                x = L.MaxPooling2D()(x)
            x = dbl(x, 512)
            for o in (256, 128, 64, 32):
                x = dbl(L.Concatenate()([L.Conv2DTranspose(o, 2, 2)(x), skips.pop()]), o)
            return L.Conv2D(1, 1)(x)
        return functional((128, 128, 3), f), (4, 128, 128, 3), 1, adam, 0
    if name in ("char_lstm", "ptb_lstm"):
        vocab, hid, t, b, drop = (65, 256, 64, 32, 0.0) if name == "char_lstm" else (10000, 650, 35, 20, 0.5)
        opt = (lambda: adam(clipnorm=5.0)) if drop == 0 else (lambda: keras.optimizers.SGD(1.0, clipnorm=5.0))
        return S([keras.Input((t,), dtype="int32"), L.Embedding(vocab, hid), L.Dropout(drop), L.LSTM(hid, return_sequences=True),
                  L.Dropout(drop), L.LSTM(hid, return_sequences=True), L.Dropout(drop), L.Dense(vocab)]), (b, t), vocab, opt, 1
    sys.exit(f"peer_tensorflow: no case {name}")


def main():
    a = running.options(__doc__, ("tensorflow",)).parse_args()
    os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3", OMP_NUM_THREADS=str(a.threads))
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(a.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    base = running.peak_mb()
    model, shape, classes, optimizer, integer = build(a.case, keras)
    if a.batch1:
        shape = (1, *shape[1:])
    x = tf.random.uniform(shape, maxval=65, dtype=tf.int32) if integer else tf.random.normal(shape)
    y_shape = shape[:1] + tuple(model(x[:1]).shape[1:-1])
    if classes == 1:
        loss_of = keras.losses.BinaryCrossentropy(from_logits=True)
        y = tf.cast(tf.random.uniform((*y_shape, 1)) > 0.5, tf.float32)
    else:
        loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        y = tf.random.uniform(y_shape, maxval=min(classes, 65), dtype=tf.int32)

    @tf.function
    def infer():
        return model(x, training=False)

    step = infer
    if a.mode == "train":
        update = optimizer()
        update.build(model.trainable_variables)

        @tf.function
        def step():
            with tf.GradientTape() as tape:
                loss = loss_of(y, model(x, training=True))
            update.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
            return loss

    running.report(a, base, running.measure(lambda: tf.reduce_sum(step()).numpy(), a.min_time))


if __name__ == "__main__":
    main()
