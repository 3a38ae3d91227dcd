"""SGDClassifier as a command, or MLPClassifier where there is a hidden layer: reads libsvm text, learns, keeps the model; or reads, and writes a score for each row."""

import argparse
import json
import pickle
import time
import warnings

from sklearn.datasets import load_svmlight_file
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier
from sklearn.neural_network import MLPClassifier

parser = argparse.ArgumentParser()
parser.add_argument("what", choices=["train", "predict"])
parser.add_argument("data")
parser.add_argument("model")
parser.add_argument("--alpha", type=float, default=1e-6)
parser.add_argument("--eta0", type=float, help="the rate of an inverse square root; else `optimal`, which follows from alpha")
parser.add_argument("--hidden", type=int, help="the width of a network's hidden layer; --lr and --batch are for networks")
parser.add_argument("--lr", type=float)
parser.add_argument("--batch", type=int)
parser.add_argument("--passes", type=int, default=1)
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--out")
flags = parser.parse_args()


def read():
    x, y = load_svmlight_file(flags.data)
    # Read as 64 bits, wanted as 32.
    x.indices, x.indptr = x.indices.astype("int32"), x.indptr.astype("int32")
    return x, y


def linear():
    rate = {"learning_rate": "optimal"}
    if flags.eta0:
        rate = {"learning_rate": "invscaling", "eta0": flags.eta0, "power_t": 0.5}
    return SGDClassifier(
        loss="log_loss", alpha=flags.alpha, max_iter=flags.passes, tol=None, random_state=0, n_jobs=flags.threads, **rate
    )


def network():
    passes = {"max_iter": flags.passes, "n_iter_no_change": flags.passes}
    return MLPClassifier((flags.hidden,), batch_size=flags.batch, learning_rate_init=flags.lr, random_state=0, **passes)


if flags.what == "train":
    # It says that it has not converged, which is meant.
    warnings.simplefilter("ignore", ConvergenceWarning)
    x, y = read()
    x = x.toarray().astype("float32") if flags.hidden else x
    model = network() if flags.hidden else linear()
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
