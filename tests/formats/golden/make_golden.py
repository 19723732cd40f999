#!/usr/bin/env python3
"""Makes the files in this folder with NumPy, safetensors and Pillow, and expected.txt: a line per
array with the file, the name within it, the type, the shape and the SHA-256 of its elements in C
order, little-endian.  Needs: pip install numpy safetensors pillow.  The files are committed; run this
only to add to them.
"""
import hashlib
import pathlib

import numpy as np
from PIL import Image
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).parent
TYPES = {"bool": "bool", "uint8": "u8", "int8": "i8", "uint16": "u16", "int16": "i16",
         "uint32": "u32", "int32": "i32", "uint64": "u64", "int64": "i64", "float16": "f16",
         "float32": "f32", "float64": "f64"}
lines = []


def expect(file, array, name="-"):
    """Notes what a reader must find."""
    little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"))
    shape = "x".join(map(str, array.shape)) or "scalar"
    digest = hashlib.sha256(little.tobytes()).hexdigest()
    lines.append(f"{file} {name} {TYPES[array.dtype.name]} {shape} {digest}\n")


def values(shape, dtype):
    """Numbers that fill the type's range: every byte of an element takes part."""
    if dtype == "bool":
        return np.arange(int(np.prod(shape))).reshape(shape) % 3 == 0
    n = np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape)
    if dtype.startswith("float"):
        return ((n - 7) * 0.37).astype(dtype)
    return (n * 1234567891234567 - 98765).astype(dtype)


def picture(height, width, channels):
    y, x, k = np.meshgrid(np.arange(height), np.arange(width), np.arange(channels), indexing="ij")
    return ((x * 37 + y * 91 + k * 53 + (x * y * 17) // 5) % 256).astype(np.uint8)


def smooth(height, width):
    y, x, k = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    return (x * (3 + k) + y * (5 - k) + 40 * k).clip(0, 255).astype(np.uint8)


def numpy_files():
    for dtype in TYPES:
        array = values((2, 3), dtype)
        np.save(HERE / f"{dtype}.npy", array)
        expect(f"{dtype}.npy", array)
    others = {"scalar": np.float64(2.5) * np.ones(()), "empty": np.zeros((3, 0, 2), "float32"),
              "vector": values((5,), "int32"), "fortran": np.asfortranarray(values((2, 3, 4), "float32")),
              "big_endian": values((2, 3), "int32").astype(">i4"),
              "big_fortran": np.asfortranarray(values((4, 3), "float64").astype(">f8"))}
    for name, array in others.items():
        np.save(HERE / f"{name}.npy", array)
        expect(f"{name}.npy", array)
    for version in ((2, 0), (3, 0)):
        with open(HERE / f"version{version[0]}.npy", "wb") as file:
            np.lib.format.write_array(file, values((2, 2), "int16"), version=version)
        expect(f"version{version[0]}.npy", values((2, 2), "int16"))
    np.save(HERE / "object.npy", np.array([None, 1], dtype=object), allow_pickle=True)
    np.save(HERE / "structured.npy", np.zeros(2, dtype=[("a", "<i4"), ("b", "<f4")]))
    np.save(HERE / "complex.npy", np.zeros(2, dtype="complex64"))
    arrays = {"weight": values((3, 4), "float32"), "step": np.array(7, "int64")}
    np.savez(HERE / "stored.npz", **arrays)
    np.savez_compressed(HERE / "deflated.npz", **arrays)
    for name in ("stored.npz", "deflated.npz"):
        for key, array in arrays.items():
            expect(name, array, key)


def safetensors_files():
    arrays = {f"layer.{dtype}": values((2, 3), dtype) for dtype in TYPES}
    arrays["scalar"] = np.array(3.5, "float32")
    arrays["empty"] = np.zeros((0, 4), "float32")
    save_file(arrays, HERE / "all.safetensors", metadata={"format": "np", "note": "\u00e4 \"quoted\""})
    for name, array in arrays.items():
        expect("all.safetensors", array, name)


def pictures():
    modes = {"l": picture(7, 11, 1)[:, :, 0], "la": picture(7, 11, 2), "rgb": picture(7, 11, 3),
             "rgba": picture(7, 11, 4)}
    for name, array in modes.items():
        Image.fromarray(array).save(HERE / f"{name}.png")
        expect(f"{name}.png", array.reshape(array.shape[0], array.shape[1], -1))
    bits = Image.fromarray(modes["l"]).convert("1", dither=0)
    bits.save(HERE / "bits.png")
    expect("bits.png", np.asarray(bits.convert("L"))[:, :, None])
    deep = (modes["l"].astype(np.uint16) * 257 ^ 0x3c)
    Image.fromarray(deep).save(HERE / "deep.png")
    expect("deep.png", deep[:, :, None])
    palette = Image.fromarray(modes["rgb"]).quantize(12)
    palette.save(HERE / "palette.png", transparency=3)
    expect("palette.png", np.asarray(Image.open(HERE / "palette.png").convert("RGBA")))

    photo = Image.fromarray(smooth(19, 24))
    exif = Image.Exif()
    kinds = {"grey": (photo.convert("L"), {}), "colour": (photo, {"subsampling": 2}),
             "full": (photo, {"subsampling": 0}), "progressive": (photo, {"progressive": True})}
    for name, (image, options) in kinds.items():
        image.save(HERE / f"{name}.jpg", quality=90, **options)
        decoded = np.asarray(Image.open(HERE / f"{name}.jpg"))
        expect(f"{name}.jpg", decoded.reshape(decoded.shape[0], decoded.shape[1], -1))
    photo.convert("CMYK").save(HERE / "cmyk.jpg")
    for orientation in (3, 6):
        exif[0x0112] = orientation
        photo.save(HERE / f"orientation{orientation}.jpg", quality=90, exif=exif)
        turned = Image.open(HERE / f"orientation{orientation}.jpg")
        turn = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_270}[orientation]
        expect(f"orientation{orientation}.jpg", np.asarray(turned.transpose(turn)))


def resized():
    """Pillow's bilinear filter, each channel alone (Pillow weights colours by alpha)."""
    for h, w, c, height, width in ((28, 28, 1, 14, 14), (28, 28, 1, 32, 32), (13, 17, 3, 7, 5),
                                   (13, 17, 3, 40, 31), (1, 1, 3, 5, 4), (100, 3, 4, 9, 3),
                                   (64, 48, 3, 48, 96), (5, 300, 1, 5, 7)):
        channels = [Image.fromarray(picture(h, w, c)[:, :, k].copy()) for k in range(c)]
        out = [np.asarray(p.resize((width, height), Image.Resampling.BILINEAR)) for p in channels]
        expect("resize", np.stack(out, -1), f"{h}x{w}x{c}")
    expect("grey", np.asarray(Image.fromarray(picture(9, 11, 3)).convert("L"))[:, :, None], "9x11x3")


numpy_files()
safetensors_files()
pictures()
resized()
(HERE / "expected.txt").write_text("".join(lines))
