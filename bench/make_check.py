#!/usr/bin/env python3
"""Writes what `varve-bench --check DIR` compares with: PyTorch's weights, data, gradients and losses.

  python3 make_check.py DIR [CASE...]        # needs torch, numpy and safetensors: build/peers/bin/python3 has them

The networks, losses, optimizers and training steps of bench/peers run here, with dropout 0 and noise drawn beforehand,
in f32 and in f64 from the same f32 weights; in f32 with channels last and on one thread, too, for each adds in another
order; the losses in bf16 by autocast. One file a case: weights and gradients are named as Varve's layers are and keep
PyTorch's layouts, which load_pytorch_weights turns; images lie channels last. PyTorch's LSTM has a second vector of biases,
which is 0 and not trained here.
"""
import os
import re
import sys

import numpy as np
import torch
from safetensors.numpy import save_file

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers"))
from peer_torch import CASES  # noqa: E402

STEPS = 20

# ---------------------------------------------------------------- names


def renamed(rules):
    """A function of one name, by the first rule that fits: (pattern, replacement or function of the match)."""

    def rename(name):
        for pattern, to in rules:
            m = re.match(pattern, name)
            if m:
                return (to(m) if callable(to) else m.expand(to)) + name[m.end():]
        return name

    return rename


def in_order(*names):
    """Modules with weights, by their order in a Sequential."""

    def rules(net):
        places = [k for k, m in net.named_children() if list(m.parameters())]
        return renamed([(r"%s\." % p, n + ".") for p, n in zip(places, names)])

    return rules


def residual(first, blocks, shortcut, head):
    def block(m):
        i = int(m[1]) - first
        stage, j = 1, i
        for count in blocks:
            if j < count:
                break
            stage, j = stage + 1, j - count
        part = {"a.0": "_conv1", "a.1": "_bn1", "b.0": "_conv2", "b.1": "_bn2", "down.0": shortcut + "_0",
                "down.1": shortcut + "_1"}[m[2]]
        return "layer%d_%d%s" % (stage, j, part)

    return lambda net: renamed([(r"0\.0", "conv1"), (r"0\.1", "bn1"), (r"(\d+)\.((?:a|b|down)\.\d)", block), (r"12", head)])


def mobilenet(net):
    def block(m):
        i, place = int(m[1]) - 2, int(m[2])
        names = {0: "0_0", 1: "0_1", 3: "1", 4: "2"} if i == 1 else {0: "0_0", 1: "0_1", 3: "1_0", 4: "1_1", 6: "2", 7: "3"}
        return "features_%d_conv_%s" % (i, names[place])

    return renamed([(r"(\d+)\.f\.(\d)", block), (r"0\.", "features_0_0."), (r"1\.", "features_0_1."),
                    (r"20\.", "features_18_0."), (r"21\.", "features_18_1."), (r"26\.", "classifier_1.")])


def xception(net):
    def block(m):
        place = int(m[2])
        return "block%d_sepconv%d%s" % ((256, 512, 728)[int(m[1]) - 3], 1 + place // 4, ("", "_dw", "", "_bn")[place % 4])

    return renamed([(r"([345])\.f\.(\d)", block),
                    (r"([345])\.res", lambda m: "block%d_skip" % (256, 512, 728)[int(m[1]) - 3]),
                    (r"0\.", "conv1."), (r"1\.", "conv1_bn."), (r"6\.", "sepconv_dw."), (r"7\.", "sepconv."),
                    (r"8\.", "sepconv_bn."), (r"13\.", "predictions.")])


def vgg(net):
    rules, place = [], 0
    for name, module in net.named_children():
        if len(list(module.children())) == 3:  # convolution, batch norm, relu
            rules += [(r"%s\.0\." % name, "features_%d." % place), (r"%s\.1\." % name, "features_%d." % (place + 1))]
            place += 3
        elif list(module.parameters()):
            rules.append((r"%s\." % name, "classifier."))
        else:
            place += 1
    return renamed(rules)


def unet(net):
    def pair(m):
        level = {"down": int(m[2]) + 1, "dec": 4 - int(m[2])}[m[1]]
        base = "bottom" if level == 5 else ("down%d" if m[1] == "down" else "up%d") % level
        return "%s_conv%d%s" % (base, int(m[3]) + 1, ("", "_bn")[int(m[4])])

    return renamed([(r"(down|dec)\.(\d)\.(\d)\.(\d)", pair), (r"up\.(\d)", lambda m: "up%d" % (4 - int(m[1])))])


def gpt(net):
    part = {"n1": "ln_1", "n2": "ln_2", "att.qkv.weight": "attn.in_proj_weight", "att.qkv.bias": "attn.in_proj_bias",
            "att.o": "attn.out_proj", "ff.0": "mlp_fc", "ff.2": "mlp_proj"}
    return renamed([(r"blocks\.(\d)\.(n1|n2|att\.qkv\.weight|att\.qkv\.bias|att\.o|ff\.0|ff\.2)",
                     lambda m: "h%s_%s" % (m[1], part[m[2]])),
                    (r"emb\.", "wte."), (r"pos$", "wpe.weight"), (r"norm\.", "ln_f."), (r"out\.", "head.")])


def seq2seq(net):
    part = {"n1": "attention_norm", "n2": "inner_norm", "n3": "cross_attention_norm", "ff.0": "inner", "ff.2": "outer"}
    return renamed([(r"(enc|dec)\.(\d)\.(n\d|ff\.\d)", lambda m: "%soder%s_%s" % (m[1], m[2], part[m[3]])),
                    (r"(enc|dec)\.(\d)\.att\.qkv\.(\w+)", r"\1oder\2_attention.in_proj_\3"),
                    (r"(enc|dec)\.(\d)\.att\.o", r"\1oder\2_attention.out_proj"),
                    (r"(dec)\.(\d)\.xatt\.(?:q|kv)\.(\w+)", r"\1oder\2_cross_attention.in_proj_\3"),
                    (r"(dec)\.(\d)\.xatt\.o", r"\1oder\2_cross_attention.out_proj"),
                    (r"se\.", "source_tokens."), (r"te\.", "target_tokens."), (r"pos$", "positions.weight"),
                    (r"en\.", "encoder_norm."), (r"dn\.", "decoder_norm.")])


def dcgan(net):
    if len(list(net.children())) > 7:
        return in_order("fc", "fc_bn", "up1", "up1_bn", "up2")(net)
    return in_order("conv1", "conv2", "conv2_bn", "fc")(net)


def diffusion(net):
    blocks = {"d1": "down1", "d2": "down2", "m1": "middle1", "m2": "middle2", "r1": "up1", "r2": "up2"}
    parts = {"a.0": "_1_norm", "a.2": "_1_conv", "t": "_step", "b.0": "_2_norm", "b.2": "_2_conv", "skip": "_skip"}
    return renamed([(r"temb\.0", "time1"), (r"temb\.2", "time2"), (r"inp", "in"), (r"s([12])\.", r"half\1."),
                    (r"u([12])\.", r"twice\1."), (r"at\.n", "attention_norm"), (r"at\.mha\.qkv\.(\w+)", r"attention.in_proj_\1"),
                    (r"at\.mha\.o", "attention.out_proj"), (r"out\.0", "out_norm"), (r"out\.2", "out_conv"),
                    (r"([dmr][12])\.([ab]\.\d|t|skip)", lambda m: blocks[m[1]] + parts[m[2]])])


def fixed(**names):
    return lambda net: renamed([(r"%s\." % k, v + ".") for k, v in names.items()])


NAMES = {
    "mlp_small": in_order("dense_1", "dense_2"),
    "mlp_big": in_order("dense_1", "dense_2", "dense_3"),
    "lenet5": in_order("conv2d_1", "conv2d_2", "dense_1", "dense_2", "dense_3"),
    "mnist_cnn": in_order("conv1", "conv2", "fc1", "fc2"),
    "mnist_convnet": in_order("conv2d_1", "conv2d_2", "dense_1"),
    "resnet20_cifar": residual(1, (3, 3, 3), "_shortcut", "linear"),
    "resnet18_imagenet": residual(2, (2, 2, 2, 2), "_downsample", "fc"),
    "mobilenet_v2_96": mobilenet,
    "xception_mini_96": xception,
    "vgg11bn_cifar": vgg,
    "unet_128": unet,
    "char_lstm": fixed(emb="tokens"),
    "ptb_lstm": fixed(emb="tokens"),
    "transformer_char": gpt,
    "transformer_seq2seq": seq2seq,
    "vae_mnist": fixed(e1="encoder.fc1", mu="encoder.mean", lv="encoder.log_variance", d1="decoder.fc3", d2="decoder.fc4"),
    "dcgan_mnist": dcgan,
    "ddpm_mnist": diffusion,
    "gcn_cora": fixed(l1="gc1", l2="gc2"),
    "dqn_cartpole": in_order("dense_1", "dense_2", "values"),
}


def values(name, tensor):
    """An array as Varve's network has it, where that is not a matter of layouts."""
    if name.endswith("pos"):
        tensor = tensor[0]
    array = tensor.numpy()
    if array.shape[0] == 128 * 7 * 7:  # what DCGAN's dense layer makes: channels lie last
        array = array.reshape(128, 49, -1).swapaxes(0, 1).reshape(array.shape)
    m = re.match(r"dec\.\d\.0\.0\.weight", name)
    if m:  # U-Net: what comes from below is joined behind what comes from the side, not before
        half = array.shape[1] // 2
        array = np.concatenate([array[:, half:], array[:, :half]], 1)
    return np.array(array, order="C", copy=True)


# Where a relu stands in a network, an input of it that rounding takes across 0 has another derivative, and in six million
# of them one is likely that near. With this seed none of the first step is within 5e-7, four times what f32 is off.
SEEDS = {"transformer_seq2seq": 38}

# What steps draw: the function of torch, its name in the file, and what draws it beforehand.
DRAWN = {
    "vae_mnist": {"randn_like": ("noise", lambda: torch.randn(128, 20))},
    "dcgan_mnist": {"randn": ("noise", lambda: torch.randn(64, 100))},
    "ddpm_mnist": {"randn_like": ("noise", lambda: torch.randn(32, 1, 28, 28)),
                   "randint": ("steps", lambda: torch.randint(1000, (32,)))},
}

# ---------------------------------------------------------------- a case


class Twin:
    """A case in one precision, from the same weights and data each time."""

    def __init__(self, name, dtype, memory_format=torch.contiguous_format):
        torch.manual_seed(SEEDS.get(name, 0))
        self.bench = CASES[name]()
        self.name, self.dtype = name, dtype
        for net in self.bench.m.values():
            for module in net.modules():
                if isinstance(module, torch.nn.Dropout):
                    module.p = 0.0
                if isinstance(module, torch.nn.LSTM):
                    module.dropout = 0.0
                    for key, p in module.named_parameters():
                        if key.startswith("bias_hh"):
                            p.data.zero_()
                            p.requires_grad_(False)
            net.train().to(dtype).to(memory_format=memory_format)
            if hasattr(net, "adj"):
                net.adj = net.adj.to(dtype)
        self.bench.inputs.update({k: self.cast(v) for k, v in self.bench.inputs.items()})
        if memory_format == torch.channels_last:
            pictures = {k: v for k, v in self.bench.inputs.items() if torch.is_tensor(v) and v.dim() == 4}
            self.bench.inputs.update({k: v.to(memory_format=memory_format) for k, v in pictures.items()})
        self.cells = dict(zip(self.bench.train.__code__.co_freevars, self.bench.train.__closure__))
        for cell in self.cells.values():
            if torch.is_tensor(cell.cell_contents):
                cell.cell_contents = self.cast(cell.cell_contents)

    def cast(self, t):
        return t.to(self.dtype) if t.is_floating_point() else t

    def weights(self):
        return {k: {n: v.detach().clone() for n, v in net.state_dict().items()} for k, net in self.bench.m.items()}

    def steps(self, noise):
        """Losses of all steps, and the gradients of the first one as they are before clipping (of GANs: as the
        discriminator's optimizer finds them). `noise`: for each step what is drawn, by the function that draws."""
        seen, clip = {}, torch.nn.utils.clip_grad_norm_

        def note():
            for key, net in self.bench.m.items():
                grads = {n: torch.zeros_like(v) for n, v in net.state_dict().items() if v.is_floating_point()}
                grads.update({n: p.grad.clone() for n, p in net.named_parameters() if p.grad is not None})
                seen.setdefault(key, grads)

        def noted_clip(*args, **kw):
            note()
            return clip(*args, **kw)

        if "od" in self.cells:
            self.cells["od"].cell_contents.register_step_pre_hook(lambda *_: note())
        out, draws = [], {f: getattr(torch, f) for f in DRAWN.get(self.name, {})}
        torch.nn.utils.clip_grad_norm_ = noted_clip
        try:
            for drawn in noise:
                for f in draws:
                    setattr(torch, f, lambda *_, t=drawn[f]: self.cast(t))
                out.append(self.bench.train().item())
                note()
        finally:
            torch.nn.utils.clip_grad_norm_ = clip
            for f, original in draws.items():
                setattr(torch, f, original)
        return np.array(out, np.float64), seen


def channels_last(tensor):
    if tensor.dim() == 4:
        tensor = tensor.permute(0, 2, 3, 1)
    return np.array(tensor.numpy(), order="C", copy=True)


def data_of(name, twin):
    if name == "dqn_cartpole":
        places = {"state": "s", "next": "s2", "reward": "r", "action": "a", "done": "done"}
        return {k: twin.cells[v].cell_contents for k, v in places.items()}
    if name == "transformer_seq2seq":
        return {"x0": twin.bench.inputs["x"][0], "x1": twin.bench.inputs["x"][1], "y": twin.bench.inputs["y"]}
    if name == "gcn_cora":
        adj = twin.bench.m["net"].adj.to_sparse_csr()
        return dict(twin.bench.inputs, values=adj.values(), columns=adj.col_indices(), row_starts=adj.crow_indices())
    return twin.bench.inputs


def write(name, directory):
    single, double = Twin(name, torch.float32), Twin(name, torch.float64)
    arrays = {"data." + k: channels_last(v) for k, v in data_of(name, single).items()}
    noise = [{f: make() for f, (_, make) in DRAWN.get(name, {}).items()} for _ in range(STEPS)]
    for i, drawn in enumerate(noise):
        for f, tensor in drawn.items():
            arrays["steps.%d.%s" % (i, DRAWN[name][f][0])] = channels_last(tensor)
    kinds = {"weights": single.weights()}
    arrays["losses"], kinds["gradients"] = single.steps(noise)
    last = Twin(name, torch.float32, torch.channels_last)
    arrays["losses_channels_last"], kinds["gradients_channels_last"] = last.steps(noise)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    arrays["losses_one_thread"], kinds["gradients_one_thread"] = Twin(name, torch.float32).steps(noise)
    torch.set_num_threads(threads)
    arrays["losses_f64"], kinds["gradients_f64"] = double.steps(noise)
    with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):  # what it keeps is weights before they change
        arrays["losses_bf16"], _ = Twin(name, torch.float32).steps(noise)
    for kind, networks in kinds.items():
        for key, tensors in networks.items():
            rename = NAMES[name](single.bench.m[key])
            for n, t in tensors.items():
                if n.endswith("num_batches_tracked") or n == "freq":
                    continue
                to, array = "%s.%s.%s" % (kind, key, rename(n)), values(n, t)
                # Two of one name are parts of it: attention's queries, then its keys and values.
                arrays[to] = np.concatenate([arrays[to], array]) if to in arrays else array
    save_file(arrays, os.path.join(directory, name + ".safetensors"))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    directory, chosen = sys.argv[1], sys.argv[2:]
    os.makedirs(directory, exist_ok=True)
    torch.set_num_threads(2)
    for case in chosen or NAMES:
        write(case, directory)
        print(case, flush=True)
