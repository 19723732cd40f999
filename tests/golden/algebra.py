"""Golden values of einsum and other contractions, Fourier transforms, windows, scatters and linear
algebra from NumPy and SciPy.

    python3 tests/golden/algebra.py        # writes algebra.json here; needs numpy and scipy

A case names the op and the sample of tests/ops/samples_*.cpp whose call gives the outputs.
"""
import numpy as np
import scipy
from scipy import fft, signal
from scipy.spatial.distance import cdist

from arrays import Cases, add_at, along, with_room

EINSUM = {
    "matrices": ("ij,jk->ik", (3, 4), (4, 5)), "implicit": ("ij,jk", (3, 4), (4, 5)),
    "alphabetic": ("ba,ac", (3, 4), (4, 2)), "trace": ("ii", (4, 4)),
    "diagonal": ("ii->i", (4, 4)), "diagonals": ("ijij->ji", (2, 3, 2, 3)),
    "transpose": ("ijk->kij", (2, 3, 4)), "sums": ("ijk->j", (2, 3, 4)), "all": ("ij->", (2, 3)),
    "outer": ("i,j->ij", (3,), (4,)), "inner": ("i,i", (5,), (5,)),
    "products": ("ij,ij->ij", (2, 3), (2, 3)), "with a scalar": (",ij->ij", (), (2, 3)),
    "stack": ("bij,bjk->bik", (2, 3, 4), (2, 4, 2)),
    "attention": ("bqhd,bkhd->bhqk", (2, 3, 2, 4), (2, 5, 2, 4)),
    "leading axes": ("...ij,...jk->...ik", (2, 1, 2, 3), (4, 3, 2)),
    "leading axes implied": ("...i,i...", (2, 3), (3, 2)),
    "leading axes last": ("i...->...i", (2, 3, 4)), "three": ("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)),
    "star": ("ai,bi,ci->abc", (2, 4), (3, 4), (2, 4)),
    "bilinear": ("bn,anm,bm->ba", (2, 3), (4, 3, 5), (2, 5)),
    "some summed first": ("ijk,kl->l", (2, 3, 4), (4, 2)), "spaces": (" i j , j k -> k i ", (2, 3), (3, 4)),
    "size 1": ("ij,jk->ik", (3, 1), (4, 5)), "nothing": ("ij,jk->ik", (2, 0), (0, 3)),
    "upper and lower": ("aB,Bc", (2, 3), (3, 2)),
}


def contractions(add):
    for name, (equation, *shapes) in EINSUM.items():
        add("einsum", name, lambda *x: np.einsum(equation, *x), *shapes)
    add("tensordot", "two axes", np.tensordot, (2, 3, 4), (3, 4, 5))
    add("tensordot", "none", lambda a, b: np.tensordot(a, b, 0), (2, 3), (2,))
    add("tensordot", "given", lambda a, b: np.tensordot(a, b, ((0, 2), (1, 0))), (2, 3, 4), (4, 2, 5))
    for name, shapes in {"vectors": ((3,), (3,)), "matrices": ((2, 3), (3, 4)),
                         "many": ((2, 3, 4), (5, 4, 2)), "scalar": ((), (2, 3))}.items():
        add("dot", name, np.dot, *shapes)
    for name, shapes in {"vectors": ((3,), (3,)), "matrices": ((2, 3), (4, 3)), "scalar": ((2,), ())}.items():
        add("inner", name, np.inner, *shapes)
    add("outer", "vectors", np.outer, (3,), (4,))
    add("outer", "matrices", np.outer, (2, 3), (2,))
    add("kron", "matrices", np.kron, (2, 3), (4, 2))
    add("kron", "ranks", np.kron, (3,), (2, 2))
    add("meshgrid", "ij", lambda *x: np.meshgrid(*x, indexing="ij"), (2,), (3,), (4,))
    add("meshgrid", "xy", np.meshgrid, (2,), (3,), ())
    add("trace", "main", np.trace, (3, 4))
    add("trace", "above", lambda x: np.trace(x, 1, 1, 2), (2, 3, 4))
    add("cosine_similarity", "rows", lambda a, b: (a * b).sum(-1) / np.sqrt((a * a).sum(-1) * (b * b).sum(-1)),
        (2, 5), (2, 5))
    add("pairwise_distances", "points", lambda a, b: cdist(a, b), (3, 4), (5, 4))
    add("pairwise_distances", "city", lambda a, b: cdist(a, b, "cityblock"), (3, 4), (5, 4))
    add("logaddexp", "plain", np.logaddexp, (2, 3), (3,))
    add("l2_normalize", "rows", lambda x: x / np.linalg.norm(x, axis=-1, keepdims=True), (3, 4))
    add("hardmax", "last", lambda x: np.eye(5)[np.argmax(x, -1)], (3, 5))
    for op, f in (("cummax", np.maximum.accumulate), ("cummin", np.minimum.accumulate)):
        add(op, "last", lambda x: f(x, -1), (2, 5))
        add(op, "first", lambda x: f(x, 0), (7, 2))
        add(op, "reverse", lambda x: f(x[:, ::-1], -1)[:, ::-1], (2, 6))


def scatters(add):
    rows, columns = np.array([2, 0, -3, 2]), np.array([[3, 0], [1, 1], [-1, 3]])
    pairs = np.array([[2, 1], [0, -1], [2, 1]])

    def by(f):
        def run(x, index, u):
            y = x.copy()
            f.at(y, index, u)
            return y
        return run
    for op, f in (("scatter_multiply", np.multiply), ("scatter_max", np.maximum), ("scatter_min", np.minimum)):
        add(op, "rows", by(f), (5, 3), rows, (4, 3))
        add(op, "along", lambda x, i, u: by(f)(x, along(i, 1, 2), u), (3, 4), columns, (3, 2))
        add(op, "tuples", lambda x, i, u: by(f)(x, (i[:, 0], i[:, 1]), u), (3, 2, 2), pairs, (3, 2))
    add("take_mode", "clip", lambda x, i: np.take(x, i, 0, mode="clip"), (4, 3), [2, -4, 7])
    add("take_mode", "wrap", lambda x, i: np.take(x, i, 0, mode="wrap"), (4, 3), [2, -5, 9])

    def reverse(x, lengths):
        y = x.copy()
        for b, n in enumerate(lengths):
            y[b, :n] = x[b, :n][::-1]
        return y
    add("reverse_sequence", "batch first", reverse, (3, 4, 2), [2, 0, 4])
    add("reverse_sequence", "time first", lambda x, n: np.swapaxes(reverse(np.swapaxes(x, 0, 1), n), 0, 1),
        (4, 3), [1, 3, 4])
    add("argsort_rows", "rows", lambda x: np.lexsort(x.T[::-1]), np.array([[1, 2], [0, 5], [1, 1], [0, 5], [1, 2]]))

    def unique(x, axis, size):
        v, first, inverse, counts = np.unique(x, True, True, True, axis=axis)
        room = lambda a: with_room(a, size)
        v = np.moveaxis(room(np.moveaxis(v, axis, 0)), 0, axis)
        return v, inverse.reshape(-1), room(counts), len(counts), room(first)
    table = np.array([[1, 2, 1], [0, 5, 0], [1, 2, 1], [0, 3, 0]])
    add("unique_slices", "rows", lambda x: unique(x, 0, 6), table)
    add("unique_slices", "columns", lambda x: unique(x, 1, 3), table)


def graphs(add):
    segments = np.array([2, 0, 2, 3, 2])

    def by(f, x, s, empty=0.):
        rows = [f(x[s == k]) if (s == k).any() else np.full(x.shape[1:], empty) for k in range(4)]
        return np.stack(rows)
    for op, f in (("segment_max", lambda v: v.max(0)), ("segment_min", lambda v: v.min(0))):
        add(op, "rows", lambda x, s: by(f, x, s), (5, 3), segments)
        add(op, "vector", lambda x, s: by(f, x, s, 1.), (5,), segments)
    add("segment_mean", "rows", lambda x, s: by(lambda v: v.mean(0), x, s), (5, 3), segments)
    add("segment_softmax", "rows", lambda x, s: np.exp(x) / by(lambda v: np.exp(v).sum(0), x, s)[s], (5, 3), segments)
    columns, starts = np.array([1, 4, 0, 5, 5, 2, 3]), np.array([0, 2, 2, 6, 7], np.int32)
    matrix = lambda v, c, s: scipy.sparse.csr_array((v, c, s), (4, 6))
    add("sparse_matmul", "plain", lambda v, c, s, x: matrix(v, c, s) @ x, (7,), columns, starts, (6, 3))
    add("sparse_matmul", "transposed", lambda v, c, s, x: matrix(v, c, s).T @ x, (7,), columns, starts, (4, 3))
    add("sparse_matmul", "vector", lambda v, c, s, x: matrix(v, c, s) @ x, (7,), columns, starts, (6,))
    add("sparse_matrix", "places", lambda r, c, v: scipy.sparse.coo_array((v, (r, c)), (3, 4)).toarray(),
        [2, 0, 2, 0, 2], [3, 1, 0, 2, 3], (5,))


def pair(z):
    return np.stack([z.real, z.imag], -1)


def number(x):
    return x[..., 0] + 1j * x[..., 1]


def fourier(add):
    for name, shape, axis, n in (("even", (8, 2), 0, None), ("odd", (2, 9, 2), 1, None),
                                 ("prime", (37, 2), 0, None), ("middle", (2, 6, 3, 2), 1, None),
                                 ("longer", (5, 2), 0, 8), ("shorter", (3, 7, 2), 1, 4), ("one", (3, 1, 2), 1, None)):
        add("fft", name, lambda z: pair(np.fft.fft(number(z), n, axis)), shape)
        add("ifft", name, lambda z: pair(np.fft.ifft(number(z), n, axis)), shape)
    for norm in ("ortho", "forward"):
        add("fft", norm, lambda z: pair(np.fft.fft(number(z), norm=norm)), (6, 2))
        add("ifft", norm, lambda z: pair(np.fft.ifft(number(z), norm=norm)), (6, 2))
        add("rfft", norm, lambda x: pair(np.fft.rfft(x, norm=norm)), (6,))
        add("irfft", norm, lambda z: np.fft.irfft(number(z), norm=norm), (4, 2))
    for name, shape, axis, n in (("even", (8,), 0, None), ("odd", (2, 9), 1, None), ("prime", (37,), 0, None),
                                 ("first", (6, 3), 0, None), ("longer", (5,), 0, 8), ("shorter", (3, 7), 1, 4),
                                 ("one", (3, 1), 1, None)):
        add("rfft", name, lambda x: pair(np.fft.rfft(x, n, axis)), shape)
    for name, shape, axis, n in (("even", (5, 2), 0, None), ("odd", (2, 5, 2), 1, 9), ("prime", (19, 2), 0, 37),
                                 ("first", (4, 3, 2), 0, None), ("longer", (3, 2), 0, 12), ("shorter", (3, 7, 2), 1, 4),
                                 ("one", (3, 1, 2), 1, 1)):
        add("irfft", name, lambda z: np.fft.irfft(number(z), n, axis), shape)
    add("fftn", "all", lambda z: pair(np.fft.fftn(number(z))), (3, 4, 2))
    add("fftn", "two of three", lambda z: pair(np.fft.fft2(number(z), (4, 2))), (2, 3, 4, 2))
    add("ifftn", "all", lambda z: pair(np.fft.ifftn(number(z), norm="ortho")), (3, 4, 2))
    add("rfftn", "all", lambda x: pair(np.fft.rfftn(x)), (3, 5))
    add("rfftn", "axes", lambda x: pair(np.fft.rfftn(x, axes=(2, 0))), (4, 2, 3))
    add("irfftn", "all", lambda z: np.fft.irfftn(number(z)), (3, 4, 2))
    add("dft", "real", lambda x: pair(np.fft.fft(x[..., 0], axis=1)), (2, 5, 1))
    add("dft", "onesided", lambda x: pair(np.fft.rfft(x[..., 0], 6, axis=0)), (5, 2, 1))
    add("dft", "inverse", lambda z: pair(np.fft.ifft(number(z), axis=1)), (2, 5, 2))
    add("dft", "inverse onesided", lambda z: np.fft.irfft(number(z), axis=1)[..., None], (2, 5, 2))
    add("dct", "orthonormal", lambda x: fft.dct(x, norm="ortho"), (2, 7))
    add("dct", "plain, first", lambda x: fft.dct(x, axis=0), (6, 2))
    add("idct", "orthonormal", lambda x: fft.idct(x, norm="ortho"), (2, 7))
    add("idct", "plain, first", lambda x: fft.idct(x, axis=0), (6, 2))


def frames(x, window, hop, n):
    count = (x.shape[-1] - n) // hop + 1
    return np.stack([x[..., t * hop:t * hop + n] * window for t in range(count)], -2)


def mel_points(mels, low, high):
    """Slaney's scale, as librosa has it."""
    step = np.log(6.4) / 27
    to_mel = lambda f: 15 + np.log(f / 1000) / step if f >= 1000 else 3 * f / 200
    m = np.linspace(to_mel(low), to_mel(high), mels + 2)
    return np.where(m >= 15, 1000 * np.exp(step * (m - 15)), 200 * m / 3)


def mel_filters(rate, n, mels):
    """librosa.filters.mel, transposed."""
    points, f = mel_points(mels, 0, rate / 2), np.fft.rfftfreq(n, 1 / rate)
    ramps, width = points[:, None] - f, np.diff(points)
    lower, upper = -ramps[:-2] / width[:-1, None], ramps[2:] / width[1:, None]
    w = np.maximum(0, np.minimum(lower, upper)) * (2 / (points[2:] - points[:-2]))[:, None]
    return w.T


def sounds(add):
    for op, name in (("hann_window", "hann"), ("hamming_window", "hamming"), ("blackman_window", "blackman")):
        for kind, periodic in (("periodic", True), ("symmetric", False)):
            for n in (1, 2, 7, 10):
                add(op, f"{kind} {n}", lambda x: x * signal.get_window(name, n, fftbins=periodic), (n,))
    w8, hann8 = np.ones(8), signal.get_window("hann", 8)
    add("stft", "plain", lambda x: pair(np.fft.rfft(frames(x, w8, 4, 8))), (2, 21))
    add("stft", "window and centre",
        lambda x: pair(np.fft.rfft(frames(np.pad(x, 4, mode="reflect"), hann8, 2, 8))), (19,))
    short = np.pad(signal.get_window("hann", 5), (1, 2))
    add("stft", "two-sided, short window", lambda x: pair(np.fft.fft(frames(x, short, 3, 8))) / np.sqrt(8), (20,))
    add("stft_complex", "plain", lambda z: pair(np.fft.fft(frames(number(z), hann8, 4, 8))), (20, 2))

    def back(z):
        spectra = number(z)
        y, weight = np.zeros(8 + 2 * 4), np.zeros(8 + 2 * 4)
        for t in range(5):
            y[2 * t:2 * t + 8] += np.fft.irfft(spectra[t]) * hann8
            weight[2 * t:2 * t + 8] += hann8 ** 2
        return y[4:-4] / weight[4:-4]
    add("istft", "centred", back, (5, 5, 2))
    power = lambda x: np.abs(np.fft.rfft(frames(np.pad(x, 16, mode="reflect"), signal.get_window("hann", 32), 8, 32))) ** 2
    mels = lambda x: power(x) @ mel_filters(16000, 32, 6)
    add("mel_spectrogram", "energies", mels, (80,))

    def decibels(x):
        d = 10 * np.log10(np.maximum(1e-10, x))
        return np.maximum(d, d.max() - 80)
    add("power_to_decibels", "plain", lambda x: decibels(x * x), (2, 4))
    add("power_to_decibels", "quiet", lambda x: decibels(x * x), np.array([1e-7, 0.1, 1, 100]))
    add("mfcc", "few", lambda x: fft.dct(decibels(mels(x)), norm="ortho")[..., :4], (80,))
    add("mel_filter_bank", "slaney", lambda x: x * mel_filters(16000, 32, 6), (17, 6))


def linear(add):
    """Well-conditioned matrices: a random one plus a multiple of the identity."""
    rng = np.random.default_rng(11)

    def matrices(*shape):
        return np.round(rng.uniform(-1, 1, shape) + 3 * np.eye(*shape[-2:]), 3)

    def symmetric(*shape):
        a = rng.uniform(-1, 1, shape)
        return np.round(a + np.swapaxes(a, -1, -2) + 4 * np.eye(shape[-1]) * np.arange(1, shape[-1] + 1), 3)

    def signed(u, vh):
        """The first large component of each column positive."""
        large = np.argmax(np.abs(u) >= 0.9 * np.abs(u).max(-2, keepdims=True), -2)
        s = np.sign(np.take_along_axis(u, large[..., None, :], -2))
        return u * s, vh * np.swapaxes(s, -1, -2)

    def qr(a, mode):
        q, r = np.linalg.qr(a, mode)
        k = min(a.shape[-2:])
        s = np.sign(np.diagonal(r, 0, -2, -1))
        q[..., :k] *= s[..., None, :]
        r[..., :k, :] *= s[..., :, None]
        return q, r

    def svd(a):
        u, s, vh = np.linalg.svd(a, full_matrices=False)
        u, vh = signed(u, vh)
        return u, s, vh

    def eigh(a):
        w, v = np.linalg.eigh((a + np.swapaxes(a, -1, -2)) / 2)
        return w, signed(v, np.swapaxes(v, -1, -2))[0]
    add("solve", "vector", np.linalg.solve, matrices(4, 4), (4,))
    add("solve", "many", np.linalg.solve, matrices(2, 3, 3), (2, 3, 2))
    add("solve", "broadcast", np.linalg.solve, matrices(3, 3), (2, 3, 1))
    add("triangular_solve", "lower", lambda a, b: scipy.linalg.solve_triangular(a, b, lower=True), matrices(4, 4), (4, 2))
    add("triangular_solve", "upper", scipy.linalg.solve_triangular, matrices(4, 4), (4,))
    add("triangular_solve", "turned unit",
        lambda a, b: scipy.linalg.solve_triangular(a, b, trans=1, lower=True, unit_diagonal=True), matrices(4, 4), (4, 2))
    add("inverse", "one", np.linalg.inv, matrices(4, 4))
    add("inverse", "many", np.linalg.inv, matrices(2, 3, 3))
    add("det", "one", np.linalg.det, matrices(4, 4))
    add("det", "many", np.linalg.det, rng.uniform(-1, 1, (3, 3, 3)))
    add("slogdet", "many", lambda a: tuple(np.linalg.slogdet(a)), rng.uniform(-1, 1, (3, 3, 3)))
    add("cholesky", "one", np.linalg.cholesky, symmetric(4, 4))
    add("cholesky", "many", np.linalg.cholesky, symmetric(2, 3, 3))
    for name, shape in (("tall", (5, 3)), ("wide", (3, 5)), ("square", (2, 4, 4))):
        a = matrices(*shape)
        add("qr", name, lambda a: qr(a, "reduced"), a)
        add("svd", name, svd, a)
        add("singular_values", name, lambda a: np.linalg.svd(a, compute_uv=False), a)
        add("pinv", name, np.linalg.pinv, a)
    add("qr", "complete", lambda a: qr(a, "complete"), matrices(5, 3))
    add("eigh", "one", eigh, symmetric(4, 4))
    add("eigh", "many", eigh, symmetric(2, 3, 3))
    add("lstsq", "tall", lambda a, b: np.linalg.lstsq(a, b)[0], matrices(5, 3), (5, 2))
    add("lstsq", "wide", lambda a, b: np.linalg.lstsq(a, b)[0], matrices(3, 5), (3,))
    add("condition_number", "square", np.linalg.cond, matrices(4, 4))
    for name, order in (("frobenius", "fro"), ("nuclear", "nuc"), ("spectral", 2), ("one", 1), ("infinity", np.inf)):
        add("matrix_norm", name, lambda a: np.linalg.norm(a, order), matrices(3, 4))
    for n in (0, 1, 5, -2):
        add("matrix_power", f"to {n}", lambda a: np.linalg.matrix_power(a, n), matrices(3, 3))
    add("matrix_exp", "small", scipy.linalg.expm, rng.uniform(-1, 1, (4, 4)))
    add("matrix_exp", "large", scipy.linalg.expm, rng.uniform(-4, 4, (2, 3, 3)))


def main():
    cases = Cases("algebra.json", {"numpy": np.__version__, "scipy": scipy.__version__})
    for family in (contractions, scatters, graphs, fourier, sounds, linear):
        family(cases.add)
    cases.write()


if __name__ == "__main__":
    np.seterr(all="ignore")
    main()
