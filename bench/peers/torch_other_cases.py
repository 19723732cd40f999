"""The other networks, as in bench/other_cases.cpp."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch_parts import Bench, Mha, case, make_opt, mlp, supervised


class Vae(nn.Module):
    def __init__(self):
        super().__init__()
        self.e1, self.mu, self.lv = nn.Linear(784, 400), nn.Linear(400, 20), nn.Linear(400, 20)
        self.d1, self.d2, self.r1, self.r2 = nn.Linear(20, 400), nn.Linear(400, 784), nn.ReLU(), nn.ReLU()

    def forward(self, x):
        h = self.r1(self.e1(x))
        mu, lv = self.mu(h), self.lv(h)
        z = mu + torch.exp(0.5 * lv) * torch.randn_like(mu)
        return self.d2(self.r2(self.d1(z))), mu, lv


@case("vae_mnist")
def _():
    x = torch.rand(128, 784)

    def loss(o, t):
        rec, mu, lv = o
        bce = F.binary_cross_entropy_with_logits(rec, t, reduction="sum")
        return bce - 0.5 * torch.sum(1 + lv - mu.pow(2) - lv.exp())

    return supervised(Vae(), x, x, loss=loss)


@case("dcgan_mnist")
def _():
    b, nz = 64, 100
    g = nn.Sequential(
        nn.Linear(nz, 7 * 7 * 128, bias=False), nn.BatchNorm1d(7 * 7 * 128), nn.ReLU(True),
        nn.Unflatten(1, (128, 7, 7)),
        nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(True),
        nn.ConvTranspose2d(64, 1, 4, 2, 1), nn.Tanh())
    d = nn.Sequential(
        nn.Conv2d(1, 64, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Conv2d(64, 128, 4, 2, 1, bias=False), nn.BatchNorm2d(128), nn.LeakyReLU(0.2),
        nn.Flatten(), nn.Linear(7 * 7 * 128, 1))
    m = {"g": g, "d": d}
    inp = {"x": torch.rand(b, 1, 28, 28) * 2 - 1}
    og, od = make_opt("adam", list(g.parameters())), make_opt("adam", list(d.parameters()))
    ones, zeros = torch.ones(b, 1), torch.zeros(b, 1)
    bce = F.binary_cross_entropy_with_logits

    def train():
        fake = m["g"](torch.randn(b, nz))
        od.zero_grad(set_to_none=True)
        loss_d = bce(m["d"](inp["x"]), ones) + bce(m["d"](fake.detach()), zeros)
        loss_d.backward()
        od.step()
        og.zero_grad(set_to_none=True)
        loss_g = bce(m["d"](fake), ones)
        loss_g.backward()
        og.step()
        return loss_d

    def infer():
        return m["g"](torch.randn(inp["x"].shape[0], nz))

    return Bench(b, m, train, infer, inp, "adam")


class ResBlock(nn.Module):
    def __init__(self, i, o, temb):
        super().__init__()
        self.a = nn.Sequential(nn.GroupNorm(8, i), nn.SiLU(), nn.Conv2d(i, o, 3, 1, 1))
        self.t = nn.Linear(temb, o)
        self.b = nn.Sequential(nn.GroupNorm(8, o), nn.SiLU(), nn.Conv2d(o, o, 3, 1, 1))
        self.skip = nn.Conv2d(i, o, 1) if i != o else nn.Identity()

    def forward(self, x, t):
        return self.b(self.a(x) + self.t(t)[:, :, None, None]) + self.skip(x)


class ImgAttn(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.n, self.mha = nn.GroupNorm(8, c), Mha(c, 4)

    def forward(self, x):
        b, c, h, w = x.shape
        y = self.mha(self.n(x).flatten(2).transpose(1, 2))
        return x + y.transpose(1, 2).reshape(b, c, h, w)


class DdpmUNet(nn.Module):
    def __init__(self, base=32):
        super().__init__()
        c1, c2, c3, te = base, base * 2, base * 4, base * 4
        self.freq = nn.Parameter(torch.exp(-math.log(1e4) * torch.arange(base // 2) / (base // 2)), False)
        self.temb = nn.Sequential(nn.Linear(base, te), nn.SiLU(), nn.Linear(te, te), nn.SiLU())
        self.inp = nn.Conv2d(1, c1, 3, 1, 1)
        self.d1, self.s1 = ResBlock(c1, c1, te), nn.Conv2d(c1, c1, 3, 2, 1)
        self.d2, self.s2 = ResBlock(c1, c2, te), nn.Conv2d(c2, c2, 3, 2, 1)
        self.m1, self.at, self.m2 = ResBlock(c2, c3, te), ImgAttn(c3), ResBlock(c3, c3, te)
        self.u2, self.r2 = nn.ConvTranspose2d(c3, c2, 2, 2), ResBlock(c2 * 2, c2, te)
        self.u1, self.r1 = nn.ConvTranspose2d(c2, c1, 2, 2), ResBlock(c1 * 2, c1, te)
        self.out = nn.Sequential(nn.GroupNorm(8, c1), nn.SiLU(), nn.Conv2d(c1, 1, 3, 1, 1))

    def forward(self, x, t):
        a = t[:, None].float() * self.freq[None]
        t = self.temb(torch.cat([a.sin(), a.cos()], 1))
        h1 = self.d1(self.inp(x), t)
        h2 = self.d2(self.s1(h1), t)
        m = self.m2(self.at(self.m1(self.s2(h2), t)), t)
        y = self.r2(torch.cat([self.u2(m), h2], 1), t)
        return self.out(self.r1(torch.cat([self.u1(y), h1], 1), t))


@case("ddpm_mnist")
def _():
    b = 32
    net = DdpmUNet()
    m, inp = {"net": net}, {"x": torch.randn(b, 1, 28, 28)}
    abar = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000), 0)
    opt = make_opt("adam", [p for p in net.parameters() if p.requires_grad])

    def train():
        t = torch.randint(1000, (b,))
        eps = torch.randn_like(inp["x"])
        a = abar[t][:, None, None, None]
        opt.zero_grad(set_to_none=True)
        loss = F.mse_loss(m["net"](a.sqrt() * inp["x"] + (1 - a).sqrt() * eps, t), eps)
        loss.backward()
        opt.step()
        return loss

    t0 = torch.full((b,), 500)

    def infer():
        return m["net"](inp["x"], t0[:inp["x"].shape[0]])

    return Bench(b, m, train, infer, inp, "adam")


class Gcn(nn.Module):
    def __init__(self, adj, f, h, c):
        super().__init__()
        self.adj, self.l1, self.l2 = adj, nn.Linear(f, h), nn.Linear(h, c)
        self.act, self.drop = nn.ReLU(), nn.Dropout(0.5)

    def forward(self, x):
        h = self.act(torch.sparse.mm(self.adj, self.l1(self.drop(x))))
        return torch.sparse.mm(self.adj, self.l2(self.drop(h)))


@case("gcn_cora")
def _():
    n, f, e = 2708, 1433, 5429
    s, d = torch.randint(n, (e,)), torch.randint(n, (e,))
    loop = torch.arange(n)
    idx = torch.stack([torch.cat([s, d, loop]), torch.cat([d, s, loop])])
    deg = torch.bincount(idx[0], minlength=n).float()
    adj = torch.sparse_coo_tensor(idx, (deg[idx[0]] * deg[idx[1]]).rsqrt(), (n, n)).coalesce()
    x = (torch.rand(n, f) < 0.0127).float()
    y, train_idx = torch.randint(7, (n,)), torch.arange(140)
    return supervised(Gcn(adj, f, 16, 7), x, y, loss=lambda o, t: F.cross_entropy(o[train_idx], t[train_idx]))


@case("dqn_cartpole")
def _():
    b = 64
    net, target = mlp(4, 128, 128, 2), mlp(4, 128, 128, 2)
    m, opt = {"net": net, "target": target}, make_opt("adam", list(net.parameters()))
    s, s2, r = torch.randn(b, 4), torch.randn(b, 4), torch.randn(b)
    a, done = torch.randint(2, (b, 1)), torch.zeros(b)
    inp = {"x": torch.randn(1, 4)}

    def train():
        with torch.no_grad():
            tgt = r + 0.99 * (1 - done) * m["target"](s2).max(1)[0]
        loss = F.smooth_l1_loss(m["net"](s).gather(1, a).squeeze(1), tgt)
        opt.zero_grad(set_to_none=True)
        loss.backward()
        opt.step()
        return loss

    def infer():  # one action for one state
        return m["net"](inp["x"]).argmax(1)

    return Bench(b, m, train, infer, inp, "adam")
