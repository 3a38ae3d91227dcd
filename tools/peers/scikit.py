"""scikit-learn's SGDClassifier and MLPClassifier, of PyPI; scikit_run.py is what runs in its Python.

It keeps all in memory. Linear models have one thread a class, products of matrices as many as there are.
"""

import json
from pathlib import Path

from .peer import Peer, python

SETTINGS = {
    "news20": ["--alpha 1e-5 --passes 5", "--alpha 1e-6 --passes 5", "--alpha 1e-5 --passes 10"],
    "mnist": ["--alpha 1e-4 --passes 5", "--alpha 1e-5 --passes 5"],
    "adult": ["--eta0 0.1 --passes 5", "--eta0 0.01 --passes 5", "--alpha 1e-3 --passes 20"],
    "pctr": ["--alpha 1e-6 --passes 3", "--alpha 1e-5 --passes 3", "--eta0 0.5 --passes 3"],
}
NETWORKS = ["--lr 0.001 --batch 64 --passes 10", "--lr 0.001 --batch 200 --passes 20"]


class Scikit(Peer):
    name = "sklearn"
    models = ("linear", "mlp")

    def __init__(self, home):
        self.program = [python(home, "sklearn", "scikit-learn"), str(Path(__file__).with_name("scikit_run.py"))]

    def settings(self, data):
        if data.model == "mlp":
            return NETWORKS
        return SETTINGS.get(data.kind, ["--eta0 10 --passes 3", "--eta0 10 --passes 1", "--alpha 1e-6 --passes 3"])

    def train(self, data, setting, model, threads):
        file = str(data.file("train", "svm"))
        hidden = ["--hidden", str(data.rank)] if data.model == "mlp" else []
        return [[*self.program, "train", file, str(model), "--threads", str(threads), *hidden, *setting.split()]]

    def predict(self, data, setting, model, out):
        return [*self.program, "predict", str(data.file("test", "svm")), str(model), "--out", str(out)]

    def passes(self, said, setting):
        told = json.loads([line for line in said.splitlines() if line.startswith("{")][-1])
        return told["passes"], told["seconds"]
