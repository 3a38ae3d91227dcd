"""libFM: libFM in LIBFM, with one thread. It learns and predicts in one command, so that its seconds have the test file in them."""

from .peer import Peer, given, option

SETTINGS = {
    "pctr": ["-iter 8 -learn_rate 0.003", "-iter 4 -learn_rate 0.01", "-iter 15 -learn_rate 0.003 -regular 0,0,0.01"],
    "prat": ["-iter 10 -learn_rate 0.01 -regular 0,0,0.02", "-iter 10 -learn_rate 0.005", "-iter 20 -learn_rate 0.01 -regular 0,0,0.05"],
}


class LibFm(Peer):
    name = "libfm"
    models = ("fm",)

    def __init__(self, home):
        self.program = given("LIBFM")

    def settings(self, data):
        return SETTINGS[data.kind]

    def train(self, data, setting, model, threads):
        ending = "fm" if data.file("train", "fm").exists() else "svm"
        files = ["-train", str(data.file("train", ending)), "-test", str(data.file("test", ending)), "-out", str(model)]
        same = ["-task", "c" if data.classes else "r", "-dim", f"1,1,{data.rank}", "-method", "sgd", "-seed", "1"]
        # What a pass took stands in the file of measurements alone.
        return [[self.program, *same, *files, *setting.split(), "-rlog", "measured"], ["cat", "measured"]]

    def predict(self, data, setting, model, out):
        return ["cp", str(model), str(out)]

    def passes(self, said, setting):
        names, *rows = [line.split("\t") for line in said.splitlines() if line] or [[]]
        at = names.index("time_learn") if "time_learn" in names else None
        seconds = None if at is None else sum(float(row[at]) for row in rows)
        return int(option(setting, "-iter", "100")), seconds
