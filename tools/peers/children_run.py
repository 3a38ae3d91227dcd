"""Networks that a search tried, trained in PyTorch: reads as many rows as a trial had, waits for a line, trains, says how long that took."""

import gzip
import json
import sys
import time

import numpy as np
import torch
from torch import nn

name, path, rows, trials = sys.argv[1:]
torch.set_num_threads(1)
torch.manual_seed(0)

if name == "digits":
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
else:
    x = np.frombuffer(gzip.open(path).read(), np.uint8, offset=16).reshape(-1, 784)
    y = np.frombuffer(gzip.open(path.replace("images-idx3", "labels-idx1")).read(), np.uint8, offset=8)
x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.long)
x = (x - x.mean()) / x.std()
rows = int(rows)
# As many to score by as search holds out for that: a third of what it learns.
valid = slice(rows, min(len(y), rows + rows // 3))

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU}
RATES = {
    "adam": lambda parameters, by: torch.optim.Adam(parameters, lr=2e-3 * by, fused=True),
    "momentum": lambda parameters, by: torch.optim.SGD(parameters, lr=2e-2 * by, momentum=0.9, fused=True),
    "adagrad": lambda parameters, by: torch.optim.Adagrad(parameters, lr=2e-2 * by, fused=True),
}


class Network(nn.Module):
    def __init__(self, chosen):
        super().__init__()
        sizes = [x.shape[1], *[chosen[f"width{layer}"] for layer in range(1, chosen["layers"] + 1)], int(y.max()) + 1]
        self.sources = []
        layers = []
        for layer in range(1, len(sizes)):
            skips = [before for before in range(layer - 1) if chosen.get(f"skip{before}-{layer}") in ("yes", "true", True)]
            self.sources.append([layer - 1, *skips])
            layers.append(nn.Linear(sum(sizes[before] for before in self.sources[-1]), sizes[layer]))
        self.layers = nn.ModuleList(layers)
        self.behind = nn.Sequential(ACTIVATIONS[chosen.get("activation", "relu")](), nn.Dropout(chosen.get("dropout", 0)))

    def forward(self, rows):
        out = [rows]
        for nth, (layer, sources) in enumerate(zip(self.layers, self.sources)):
            seen = out[sources[0]] if len(sources) == 1 else torch.cat([out[before] for before in sources], dim=1)
            z = layer(seen)
            out.append(z if nth + 1 == len(self.layers) else self.behind(z))
        return out[-1]


def train(chosen, passes):
    network = Network(chosen)
    rule = RATES[chosen["optimizer"]](network.parameters(), chosen.get("lr-factor", 1))
    best = 0
    for nth in range(passes):
        network.train()
        for batch in torch.randperm(rows).split(chosen["batch"]):
            rule.zero_grad()
            nn.functional.cross_entropy(network(x[batch]), y[batch]).backward()
            rule.step()
        if nth + 5 >= passes:
            network.eval()
            with torch.no_grad():
                best = max(best, (network(x[valid]).argmax(dim=1) == y[valid]).float().mean().item())
    return best


trials = json.load(open(trials))
# What is done for the first time takes longer.
train(trials[0]["architecture"], 1)
print("ready", flush=True)
sys.stdin.readline()
begin = time.monotonic()
accuracies = [train(trial["architecture"], trial["passes"]) for trial in trials]
print(json.dumps({"seconds": time.monotonic() - begin, "accuracy": sum(accuracies) / len(accuracies)}), flush=True)
