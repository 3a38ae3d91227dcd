"""PyTorch: networks of one hidden layer, with Adam; pytorch_run.py is what runs in the Python that TORCH names.

That one has torch, numpy and scikit-learn, as tools/fixtures/network-requirements.txt wants them: PyPI's wheel brings 6 GB along.
"""

import json
from pathlib import Path

from .peer import Peer, given

SETTINGS = ["--lr 0.001 --batch 64 --passes 10", "--lr 0.001 --batch 64 --passes 10 --dropout 0.1", "--lr 0.002 --batch 128 --passes 10"]


class PyTorch(Peer):
    name = "pytorch"
    models = ("mlp",)

    def __init__(self, home):
        self.program = [given("TORCH"), str(Path(__file__).with_name("pytorch_run.py"))]

    def settings(self, data):
        return SETTINGS

    def train(self, data, setting, model, threads):
        options = ["--hidden", str(data.rank), "--threads", str(threads), *setting.split()]
        return [[*self.program, "train", str(data.file("train", "svm")), str(model), *options]]

    def predict(self, data, setting, model, out):
        return [*self.program, "predict", str(data.file("test", "svm")), str(model), "--out", str(out)]

    def passes(self, said, setting):
        told = json.loads([line for line in said.splitlines() if line.startswith("{")][-1])
        return told["passes"], told["seconds"]
