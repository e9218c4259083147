"""Makes the files beside it with XGBoost 1.7.4 (Debian's python3-xgboost) from real flights: python3 make.py flights.csv FOLDER ROWS TREES.

flights.csv: date, delay, distance, origin, destination (samples/flights). A tenth of the numbers is left out, as NaN.
"""
import csv, datetime, json, sys
import numpy, xgboost

source, folder, count, trees = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
names = ["hour", "weekday", "distance", "origin", "destination"]
rows = list(csv.DictReader(open(source)))[:count]
codes = {c: {v: i for i, v in enumerate(sorted({r[c] for r in rows}))} for c in ("origin", "destination")}
random = numpy.random.default_rng(1)
x, delay = [], []
for r in rows:
    at = datetime.datetime.fromisoformat(r["date"])
    x.append([at.hour + at.minute / 60, at.isoweekday(), float(r["distance"]), codes["origin"][r["origin"]], codes["destination"][r["destination"]]])
    delay.append(float(r["delay"]))
x, delay = numpy.array(x, dtype=numpy.float32), numpy.array(delay, dtype=numpy.float32)
x[random.random(x.shape) < 0.1] = numpy.nan
late = (delay > 15).astype(numpy.float32)
three = numpy.digitize(delay, [0, 15]).astype(numpy.float32)
numbers, categories = ["q"] * 5, ["q", "q", "q", "c", "c"]
kinds = {
    "squarederror": (delay, {"objective": "reg:squarederror"}, numbers),
    "logistic": (late, {"objective": "binary:logistic", "base_score": 0.22}, numbers),
    "hinge": (late, {"objective": "binary:hinge"}, numbers),
    "logitraw": (late, {"objective": "binary:logitraw"}, numbers),
    "softprob": (three, {"objective": "multi:softprob", "num_class": 3}, numbers),
    "softmax": (three, {"objective": "multi:softmax", "num_class": 3}, numbers),
    "poisson": (numpy.maximum(delay, 0), {"objective": "count:poisson"}, numbers),
    "gamma": (numpy.maximum(delay, 0) + 1, {"objective": "reg:gamma", "num_parallel_tree": 2, "subsample": 0.5}, numbers),
    "tweedie": (numpy.maximum(delay, 0), {"objective": "reg:tweedie"}, numbers),
    "categories": (late, {"objective": "binary:logistic", "tree_method": "hist", "max_cat_to_onehot": 4}, categories),
    "dart": (late, {"booster": "dart", "rate_drop": 0.3, "objective": "binary:logistic"}, numbers),
}
expected = {}
for name, (label, params, types) in kinds.items():
    data = xgboost.DMatrix(x, label, feature_names=names, feature_types=types, enable_categorical=True)
    model = xgboost.train({"max_depth": 4, "eta": 0.3, "seed": 1, "nthread": 1, **params}, data, trees)
    model.save_model(f"{folder}/{name}.json")
    if name == "categories": model.save_model(f"{folder}/{name}.ubj")
    flat = lambda a: [float(v) for v in numpy.asarray(a, dtype=numpy.float32).reshape(len(rows), -1).reshape(-1)]
    expected[name] = {"predict": flat(model.predict(data))}
    if name in ("squarederror", "logistic", "categories", "gamma"):
        expected[name]["contributions"] = flat(model.predict(data, pred_contribs=True))
json.dump(expected, open(f"{folder}/expected.json", "w"), separators=(",", ":"))
with open(f"{folder}/rows.csv", "w") as file:
    file.write(",".join(names) + "\n")
    for row in x: file.write(",".join("" if numpy.isnan(v) else repr(float(v)) for v in row) + "\n")
