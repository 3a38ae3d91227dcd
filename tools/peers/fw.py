"""fwumious_wabbit: fw in FW. One pass of Adagrad, with one thread."""

import re

from .peer import Peer, given

SETTINGS = {
    "pctr": ["-l 0.1"],
    "p20": ["-l 1", "-l 2"],
    "pctr-ffm": ["-l 0.1 --ffm_learning_rate 0.05", "-l 0.1 --ffm_learning_rate 0.02", "-l 0.1 --ffm_learning_rate 0.1"],
}
ELAPSED = re.compile(r"Elapsed: ([0-9.]+)")


class Fwumious(Peer):
    name = "fw"
    models = ("linear", "ffm")

    def __init__(self, home):
        self.program = given("FW")

    def settings(self, data):
        return SETTINGS.get(data.name, ["-l 1", "-l 0.3"]) if data.classes == 2 else []

    def options(self, data):
        spaces = data.namespaces()
        # It looks for the names of the namespaces beside the data.
        data.file("train", "vw").with_name("vw_namespace_map.csv").write_text("".join(f"{s},{s}\n" for s in spaces))
        keep = [word for space in spaces for word in ("--keep", space)]
        bits = str(max(data.features.bit_length() + 2, 18))  # all keys are hashed
        same = ["--loss_function", "logistic", "--link", "logistic", "--hash", "all", "-b", bits]
        if data.model == "ffm":
            # As many keys as there are, in each of the fields, would take gigabytes: some meet.
            fields = [word for space in spaces for word in ("--ffm_field", space)]
            same += ["--ffm_k", str(data.rank), "--ffm_bit_precision", "24", *fields]
        return [*same, "--sgd", "--adaptive", "--power_t", "0.5", "--l2", "0.0", *keep]

    def train(self, data, setting, model, threads):
        options = [*self.options(data), *setting.split(), "--save_resume"]
        return [[self.program, "--data", str(data.file("train", "vw")), "-f", str(model), *options]]

    def predict(self, data, setting, model, out):
        options = [*self.options(data), *setting.split()]
        return [self.program, "--data", str(data.file("test", "vw")), "-i", str(model), "-t", "-p", str(out), *options]

    def passes(self, said, setting):
        # What it tells is the time of reading and learning together.
        return 1, None
