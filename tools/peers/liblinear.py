"""LIBLINEAR, of Debian's liblinear-tools. It minimises to a tolerance, with one thread."""

from .peer import Peer, debian

SETTINGS = {
    "news20": ["-s 2"],
    "mnist": ["-s 2 -c 0.1"],
    "p20": ["-s 0 -B 1 -c 2", "-s 0 -B 1 -c 1"],
}


class Liblinear(Peer):
    name = "liblinear"

    def __init__(self, home):
        self.learn, self.say = debian("liblinear-tools", "liblinear-train", "liblinear-predict")

    def settings(self, data):
        return SETTINGS.get(data.kind, ["-s 0 -B 1 -c 1", "-s 0 -B 1 -c 0.1"])

    def train(self, data, setting, model, threads):
        return [[self.learn, "-q", *setting.split(), str(data.file("train", "svm")), str(model)]]

    def predict(self, data, setting, model, out):
        probabilities = ["-b", "1"] if data.classes == 2 else []
        return [self.say, *probabilities, str(data.file("test", "svm")), str(model), str(out)]

    def scores(self, data, lines):
        if data.classes > 2:
            return super().scores(data, lines)
        # "labels 1 -1": classes stand in the order in which they were first seen.
        column = [float(label) for label in lines[0].split()[1:]].index(1.0) + 1
        return [float(line.split()[column]) for line in lines[1:]]
