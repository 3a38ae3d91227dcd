"""xLearn: xlearn_train in XLEARN, with xlearn_predict beside it. Lock-free Adagrad; two classes only."""

import re
from pathlib import Path

from .peer import Missing, Peer, given, option

SETTINGS = {
    "p16": ["-s 0 -b 0 -r 0.7 -e 4"],
    "p20": ["-s 0 -b 0 -r 0.5 -e 5", "-s 0 -b 0 -r 1 -e 3"],
    "pctr": ["-s 0 -b 0 -r 0.05 -e 3", "-s 1 -k 4 -b 0 -r 1 -e 7"],
}
EPOCH = re.compile(r"%\s*\]\s+(\d+)\s.*?([0-9.]+)\s*(?:\x1b.*)?$")


class XLearn(Peer):
    name = "xlearn"

    def __init__(self, home):
        self.learn = given("XLEARN")
        self.say = str(Path(self.learn).with_name("xlearn_predict"))
        if not Path(self.say).exists():
            raise Missing("no xlearn_predict stands beside XLEARN")

    def settings(self, data):
        return SETTINGS.get(data.kind, ["-s 0 -b 0 -r 0.5 -e 5", "-s 0 -b 0 -r 0.2 -e 5"]) if data.classes == 2 else []

    def train(self, data, setting, model, threads):
        # It writes FILE.bin beside its data, and ends where USER is not set.
        links = ["ln", "-s", str(data.file("train", "svm")), str(data.file("test", "svm")), "."]
        options = [*setting.split(), "-nthread", str(threads), "-m", str(model), "--dis-es"]
        return [links, ["env", "USER=nobody", self.learn, data.file("train", "svm").name, *options]]

    def predict(self, data, setting, model, out):
        return ["env", "USER=nobody", self.say, data.file("test", "svm").name, str(model), "-o", str(out), "--sigmoid"]

    def passes(self, said, setting):
        epochs = [found for line in said.splitlines() if (found := EPOCH.search(line))]
        seconds = sum(float(epoch.group(2)) for epoch in epochs)
        return int(option(setting, "-e", "10")), seconds or None
