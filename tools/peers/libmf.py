"""LIBMF: mf-train in LIBMF, with mf-predict beside it. It factors a matrix: ratings of users and items only, without biases."""

from pathlib import Path

from .peer import Missing, Peer, given, option


class LibMf(Peer):
    name = "libmf"
    models = ("fm",)

    def __init__(self, home):
        self.learn = given("LIBMF")
        self.say = str(Path(self.learn).with_name("mf-predict"))
        if not Path(self.say).exists():
            raise Missing("no mf-predict stands beside LIBMF")

    def settings(self, data):
        if not data.file("train", "mf").exists():
            return []
        tried = ["-l2 0.05 -r 0.1 -t 40", "-l2 0.02 -r 0.1 -t 40", "-l2 0.03 -r 0.2 -t 40", "-l2 0.05 -r 0.1 -t 80"]
        return [f"-k {data.rank} {rest}" for rest in tried]

    def train(self, data, setting, model, threads):
        return [[self.learn, "-f", "0", *setting.split(), "-s", str(threads), str(data.file("train", "mf")), str(model)]]

    def predict(self, data, setting, model, out):
        return [self.say, "-e", "0", str(data.file("test", "mf")), str(model), str(out)]

    def passes(self, said, setting):
        return int(option(setting, "-t", "20")), None
