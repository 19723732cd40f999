"""The networks of sequences, as in bench/sequence_cases.cpp."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch_parts import Mha, case, supervised


class LstmLm(nn.Module):
    def __init__(self, vocab, hidden, drop):
        super().__init__()
        self.emb = nn.Embedding(vocab, hidden)
        self.lstm = nn.LSTM(hidden, hidden, 2, batch_first=True, dropout=drop)
        self.drop = nn.Dropout(drop)
        self.out = nn.Linear(hidden, vocab)

    def forward(self, x):
        return self.out(self.drop(self.lstm(self.drop(self.emb(x)))[0]))


def lm_loss(o, t):
    return F.cross_entropy(o.reshape(-1, o.shape[-1]), t.reshape(-1))


@case("char_lstm")
def _():
    x = torch.randint(65, (32, 64))
    return supervised(LstmLm(65, 256, 0.0), x, x.roll(-1, 1), loss=lm_loss, clip=5.0)


@case("ptb_lstm")
def _():
    x = torch.randint(10000, (20, 35))
    return supervised(LstmLm(10000, 650, 0.5), x, x.roll(-1, 1), "sgd", lm_loss, clip=5.0)


class TfBlock(nn.Module):
    def __init__(self, d, h, activation, cross=False, drop=0.0):
        super().__init__()
        self.n1, self.att, self.n2 = nn.LayerNorm(d), Mha(d, h), nn.LayerNorm(d)
        if cross:
            self.n3, self.xatt = nn.LayerNorm(d), Mha(d, h, True)
        self.ff = nn.Sequential(nn.Linear(d, 4 * d), activation, nn.Linear(4 * d, d))
        self.drop = nn.Dropout(drop)

    def forward(self, x, memory=None, causal=False):
        x = x + self.drop(self.att(self.n1(x), causal=causal))
        if memory is not None:
            x = x + self.drop(self.xatt(self.n3(x), memory))
        return x + self.drop(self.ff(self.n2(x)))


class Gpt(nn.Module):
    def __init__(self, vocab, d, h, layers, t):
        super().__init__()
        self.emb, self.pos = nn.Embedding(vocab, d), nn.Parameter(torch.zeros(1, t, d))
        self.blocks = nn.ModuleList(TfBlock(d, h, nn.GELU()) for _ in range(layers))
        self.norm, self.out = nn.LayerNorm(d), nn.Linear(d, vocab, bias=False)

    def forward(self, x):
        x = self.emb(x) + self.pos
        for b in self.blocks:
            x = b(x, causal=True)
        return self.out(self.norm(x))


@case("transformer_char")
def _():
    x = torch.randint(65, (16, 128))
    return supervised(Gpt(65, 128, 4, 4, 128), x, x.roll(-1, 1), "adamw", lm_loss)


class Seq2Seq(nn.Module):
    def __init__(self, vocab=8000, d=256, h=4, layers=3, t=32):
        super().__init__()
        self.se, self.te = nn.Embedding(vocab, d), nn.Embedding(vocab, d)
        self.pos = nn.Parameter(torch.zeros(1, t, d))
        self.enc = nn.ModuleList(TfBlock(d, h, nn.ReLU(), drop=0.1) for _ in range(layers))
        self.dec = nn.ModuleList(TfBlock(d, h, nn.ReLU(), True, 0.1) for _ in range(layers))
        self.en, self.dn, self.out = nn.LayerNorm(d), nn.LayerNorm(d), nn.Linear(d, vocab)

    def forward(self, x):
        m, y = self.se(x[0]) + self.pos, self.te(x[1]) + self.pos
        for b in self.enc:
            m = b(m)
        m = self.en(m)
        for b in self.dec:
            y = b(y, m, causal=True)
        return self.out(self.dn(y))


@case("transformer_seq2seq")
def _():
    x = torch.randint(8000, (2, 32, 32))
    return supervised(Seq2Seq(), x, x[1].roll(-1, 1), loss=lm_loss, batch=32)
