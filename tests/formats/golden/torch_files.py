"""Files of torch.save for tests/formats/torch_test.cpp: the same content in both forms.

    python3 tests/formats/golden/torch_files.py        # writes torch_zip.pt, torch_legacy.pt here
"""
import collections
import pathlib

import torch

HERE = pathlib.Path(__file__).parent
base = torch.arange(6, dtype=torch.float32).reshape(2, 3)
state = collections.OrderedDict()
state["plain"] = base
state["turned"] = base.t()                     # strides of its own, the same storage
state["part"] = base[1:, 1:]                   # an offset
state["number"] = torch.tensor(7, dtype=torch.int64)
state["empty"] = torch.zeros(0, 3, dtype=torch.float64)
state["halves"] = torch.tensor([1.5, -2.0], dtype=torch.float16)
state["brain"] = torch.tensor([1.5, -2.0], dtype=torch.bfloat16)
state["truth"] = torch.tensor([True, False])
state["bytes"] = torch.tensor([0, 255], dtype=torch.uint8)
state["parameter"] = torch.nn.Parameter(torch.tensor([0.25]))
content = {"epoch": 3, "loss": 0.5, "name": "net", "done": None, "state_dict": state,
           "list": [torch.tensor([1, -1], dtype=torch.int32), (torch.tensor([2], dtype=torch.int16),)],
           7: torch.tensor([3], dtype=torch.int8)}
torch.save(content, HERE / "torch_zip.pt")
torch.save(content, HERE / "torch_legacy.pt", _use_new_zipfile_serialization=False)
