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
    def __init__(self, d, h):
        super().__init__()
        self.n1, self.att, self.n2 = nn.LayerNorm(d), Mha(d, h), nn.LayerNorm(d)
        self.ff = nn.Sequential(nn.Linear(d, 4 * d), nn.GELU(), nn.Linear(4 * d, d))

    def forward(self, x):
        x = x + self.att(self.n1(x), causal=True)
        return x + self.ff(self.n2(x))


class Gpt(nn.Module):
    def __init__(self, vocab, d, h, layers, t):
        super().__init__()
        self.emb, self.pos = nn.Embedding(vocab, d), nn.Parameter(torch.zeros(1, t, d))
        self.blocks = nn.ModuleList(TfBlock(d, h) for _ in range(layers))
        self.norm, self.out = nn.LayerNorm(d), nn.Linear(d, vocab, bias=False)

    def forward(self, x):
        x = self.emb(x) + self.pos
        for b in self.blocks:
            x = b(x)
        return self.out(self.norm(x))


@case("transformer_char")
def _():
    x = torch.randint(65, (16, 128))
    return supervised(Gpt(65, 128, 4, 4, 128), x, x.roll(-1, 1), "adamw", lm_loss)
