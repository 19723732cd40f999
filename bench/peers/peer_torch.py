#!/usr/bin/env python3
"""Times one case of Varve's benchmark in PyTorch and prints a line of JSON.

  python3 peer_torch.py --case lenet5 [--mode train] [--variant eager] [--threads 2] [--min-time 1.5] [--batch1]

A training step: gradients to none, forward, loss, backward, the optimizer's step. Variants: eager, channels_last (for
convolutions), compile, compile_channels_last. torch.compile needs a C++ compiler.
"""
import os

import running

if __name__ == "__main__":
    # Before anything loads OpenMP: how many threads there are, and that each stays on its processor.
    ARGS = running.options(__doc__, ("eager", "channels_last", "compile", "compile_channels_last")).parse_args()
    os.environ["OMP_NUM_THREADS"] = str(ARGS.threads)
    os.environ.setdefault("OMP_PROC_BIND", "true")

import torch  # noqa: E402
import torch_image_cases  # noqa: E402, F401
import torch_other_cases  # noqa: E402, F401
import torch_sequence_cases  # noqa: E402, F401
from torch_parts import CASES  # noqa: E402


def keep_one_sample(name, bench):
    """Graphs and single actions are one sample as they are."""
    if name == "transformer_seq2seq":
        bench.inputs["x"] = bench.inputs["x"][:, :1]
    elif name not in ("gcn_cora", "dqn_cartpole"):
        bench.inputs.update({k: v[:1] for k, v in bench.inputs.items()})


def main(a):
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    base = running.peak_mb()
    bench = CASES[a.case]()
    if a.batch1:
        keep_one_sample(a.case, bench)
    for net in bench.m.values():
        net.train(a.mode == "train")
        if "channels_last" in a.variant:
            net.to(memory_format=torch.channels_last)
    if "channels_last" in a.variant:
        bench.inputs.update({k: v.contiguous(memory_format=torch.channels_last)
                             for k, v in bench.inputs.items() if v.dim() == 4})
    if "compile" in a.variant:
        bench.m.update({k: torch.compile(v) for k, v in bench.m.items()})
    if a.mode == "train":
        times = running.measure(bench.train, a.min_time)
    else:
        with torch.inference_mode():
            times = running.measure(bench.infer, a.min_time)
    running.report(a, base, times)


if __name__ == "__main__":
    main(ARGS)
