"""A network in PyTorch as a command: reads libsvm text with classes from 1 on, learns, keeps the model; or reads, and writes classes."""

import argparse
import json
import time

import torch
from sklearn.datasets import load_svmlight_file
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("what", choices=["train", "predict"])
parser.add_argument("data")
parser.add_argument("model")
parser.add_argument("--hidden", type=int)
parser.add_argument("--lr", type=float)
parser.add_argument("--batch", type=int)
parser.add_argument("--dropout", type=float, default=0.0)
parser.add_argument("--passes", type=int)
parser.add_argument("--threads", type=int)
parser.add_argument("--out")
flags = parser.parse_args()


def read(columns=None):
    x, y = load_svmlight_file(flags.data, dtype="float32")
    x.resize(len(y), columns or x.shape[1])
    return torch.from_numpy(x.toarray()), torch.from_numpy(y).long() - 1


if flags.what == "train":
    torch.set_num_threads(flags.threads)
    torch.manual_seed(0)
    x, y = read()
    columns = x.shape[1]
    layers = [nn.Linear(columns, flags.hidden), nn.ReLU(), nn.Dropout(flags.dropout), nn.Linear(flags.hidden, int(y.max()) + 1)]
    network = nn.Sequential(*layers)
    rule = torch.optim.Adam(network.parameters(), lr=flags.lr, fused=True)
    begin = time.monotonic()
    for _ in range(flags.passes):
        for rows in torch.randperm(len(y)).split(flags.batch):
            rule.zero_grad()
            nn.functional.cross_entropy(network(x[rows]), y[rows]).backward()
            rule.step()
    seconds = time.monotonic() - begin
    torch.save((columns, network.eval()), flags.model)
    print(json.dumps({"passes": flags.passes, "seconds": seconds}))
else:
    columns, network = torch.load(flags.model, weights_only=False)
    x, _ = read(columns)
    with torch.no_grad():
        classes = network(x).argmax(dim=1) + 1
    with open(flags.out, "w") as file:
        file.writelines(f"{number}\n" for number in classes.tolist())
