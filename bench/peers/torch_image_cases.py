"""The networks of images, as in bench/image_cases.cpp."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch_parts import case, mlp, supervised


@case("mlp_small")
def _():
    return supervised(mlp(784, 128, 10), torch.randn(64, 784), torch.randint(10, (64,)))


@case("mlp_big")
def _():
    return supervised(mlp(784, 2048, 2048, 10), torch.randn(256, 784), torch.randint(10, (256,)))


@case("lenet5")
def _():
    net = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))
    return supervised(net, torch.randn(64, 1, 28, 28), torch.randint(10, (64,)))


@case("mnist_cnn")
def _():
    net = nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Dropout(0.25), nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(128, 10))
    return supervised(net, torch.randn(128, 1, 28, 28), torch.randint(10, (128,)))


@case("mnist_convnet")
def _():
    net = nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
                        nn.Flatten(), nn.Dropout(0.5), nn.Linear(1600, 10))
    return supervised(net, torch.rand(128, 1, 28, 28), torch.randint(10, (128,)), "adam")


def conv_bn(i, o, k=3, s=1, act=True):
    layers = [nn.Conv2d(i, o, k, s, k // 2, bias=False), nn.BatchNorm2d(o)]
    if act:
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class BasicBlock(nn.Module):
    def __init__(self, i, o, s):
        super().__init__()
        self.a = conv_bn(i, o, 3, s)
        self.b = conv_bn(o, o, 3, 1, act=False)
        self.down = conv_bn(i, o, 1, s, act=False) if (s != 1 or i != o) else nn.Identity()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.relu(self.b(self.a(x)) + self.down(x))


@case("resnet20_cifar")
def _():
    layers = [conv_bn(3, 16)]
    c = 16
    for o in (16, 32, 64):
        for j in range(3):
            layers.append(BasicBlock(c, o, 2 if (j == 0 and o != 16) else 1))
            c = o
    net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
    return supervised(net, torch.randn(128, 3, 32, 32), torch.randint(10, (128,)), "sgdm")


@case("resnet18_imagenet")
def _():
    layers = [conv_bn(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)]
    c = 64
    for o in (64, 128, 256, 512):
        for j in range(2):
            layers.append(BasicBlock(c, o, 2 if (j == 0 and o != 64) else 1))
            c = o
    net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000))
    return supervised(net, torch.randn(8, 3, 224, 224), torch.randint(1000, (8,)), "sgdm")


class InvertedResidual(nn.Module):
    def __init__(self, i, o, s, t):
        super().__init__()
        h = i * t
        layers = [] if t == 1 else [nn.Conv2d(i, h, 1, bias=False), nn.BatchNorm2d(h), nn.ReLU6(True)]
        layers += [nn.Conv2d(h, h, 3, s, 1, groups=h, bias=False), nn.BatchNorm2d(h), nn.ReLU6(True),
                   nn.Conv2d(h, o, 1, bias=False), nn.BatchNorm2d(o)]
        self.f = nn.Sequential(*layers)
        self.res = s == 1 and i == o

    def forward(self, x):
        return x + self.f(x) if self.res else self.f(x)


@case("mobilenet_v2_96")
def _():
    layers = [nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU6(True)]
    c = 32
    for t, o, n, s in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
                       (6, 160, 3, 2), (6, 320, 1, 1)):
        for j in range(n):
            layers.append(InvertedResidual(c, o, s if j == 0 else 1, t))
            c = o
    layers += [nn.Conv2d(c, 1280, 1, bias=False), nn.BatchNorm2d(1280), nn.ReLU6(True),
               nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(1280, 100)]
    return supervised(nn.Sequential(*layers), torch.randn(16, 3, 96, 96), torch.randint(100, (16,)), "sgdm")


class XceptionBlock(nn.Module):
    def __init__(self, i, o):
        super().__init__()

        def sep(a, b):
            return [nn.ReLU(), nn.Conv2d(a, a, 3, 1, 1, groups=a, bias=False),
                    nn.Conv2d(a, b, 1), nn.BatchNorm2d(b)]

        self.f = nn.Sequential(*sep(i, o), *sep(o, o), nn.MaxPool2d(3, 2, 1))
        self.res = nn.Conv2d(i, o, 1, 2)

    def forward(self, x):
        return self.f(x) + self.res(x)


@case("xception_mini_96")
def _():
    net = nn.Sequential(
        nn.Conv2d(3, 128, 3, 2, 1), nn.BatchNorm2d(128), nn.ReLU(),
        XceptionBlock(128, 256), XceptionBlock(256, 512), XceptionBlock(512, 728),
        nn.Conv2d(728, 728, 3, 1, 1, groups=728, bias=False), nn.Conv2d(728, 1024, 1), nn.BatchNorm2d(1024),
        nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.25), nn.Linear(1024, 2))
    return supervised(net, torch.randn(16, 3, 96, 96), torch.randint(2, (16,)))


@case("vgg11bn_cifar")
def _():
    layers, c = [], 3
    for v in (64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"):
        if v == "M":
            layers.append(nn.MaxPool2d(2))
        else:
            layers.append(conv_bn(c, v))
            c = v
    net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 10))
    return supervised(net, torch.randn(64, 3, 32, 32), torch.randint(10, (64,)), "sgdm")


class UNet(nn.Module):
    def __init__(self, base=32, depth=4):
        super().__init__()
        self.down, self.up, self.dec = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        c = 3
        for i in range(depth + 1):
            o = base << i
            self.down.append(nn.Sequential(conv_bn(c, o), conv_bn(o, o)))
            c = o
        for i in reversed(range(depth)):
            o = base << i
            self.up.append(nn.ConvTranspose2d(c, o, 2, 2))
            self.dec.append(nn.Sequential(conv_bn(2 * o, o), conv_bn(o, o)))
            c = o
        self.pool = nn.MaxPool2d(2)
        self.out = nn.Conv2d(c, 1, 1)

    def forward(self, x):
        skips = []
        for i, d in enumerate(self.down):
            x = d(x if i == 0 else self.pool(x))
            skips.append(x)
        skips.pop()
        for u, d in zip(self.up, self.dec):
            x = d(torch.cat([u(x), skips.pop()], 1))
        return self.out(x)


@case("unet_128")
def _():
    y = (torch.rand(4, 1, 128, 128) > 0.5).float()
    return supervised(UNet(), torch.randn(4, 3, 128, 128), y, loss=F.binary_cross_entropy_with_logits)
