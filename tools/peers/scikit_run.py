"""SGDClassifier as a command: reads libsvm text, learns, keeps the model; or reads, and writes a score for each row."""

import argparse
import json
import pickle
import time

from sklearn.datasets import load_svmlight_file
from sklearn.linear_model import SGDClassifier

parser = argparse.ArgumentParser()
parser.add_argument("what", choices=["train", "predict"])
parser.add_argument("data")
parser.add_argument("model")
parser.add_argument("--alpha", type=float, default=1e-6)
parser.add_argument("--eta0", type=float, help="the rate of an inverse square root; else `optimal`, which follows from alpha")
parser.add_argument("--passes", type=int, default=1)
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--out")
flags = parser.parse_args()


def read():
    x, y = load_svmlight_file(flags.data)
    # Read as 64 bits, wanted as 32.
    x.indices, x.indptr = x.indices.astype("int32"), x.indptr.astype("int32")
    return x, y


if flags.what == "train":
    x, y = read()
    rate = {"learning_rate": "optimal"}
    if flags.eta0:
        rate = {"learning_rate": "invscaling", "eta0": flags.eta0, "power_t": 0.5}
    model = SGDClassifier(
        loss="log_loss", alpha=flags.alpha, max_iter=flags.passes, tol=None, random_state=0, n_jobs=flags.threads, **rate
    )
    begin = time.monotonic()
    model.fit(x, y)
    seconds = time.monotonic() - begin
    with open(flags.model, "wb") as file:
        pickle.dump(model, file)
    print(json.dumps({"passes": flags.passes, "seconds": seconds}))
else:
    with open(flags.model, "rb") as file:
        model = pickle.load(file)
    x, _ = read()
    x.resize(x.shape[0], model.n_features_in_)
    scores = model.predict_proba(x)[:, 1] if len(model.classes_) == 2 else model.predict(x)
    with open(flags.out, "w") as file:
        file.writelines(f"{score:.9g}\n" for score in scores)
