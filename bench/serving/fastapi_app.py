"""The yardstick: the same request to a FastAPI server over xgboost, 100 trees, as most teams would write it."""
import numpy, xgboost
from fastapi import FastAPI, Request

random = numpy.random.default_rng(1)
x = random.random((20000, 12))
y = (x[:, 0] + x[:, 1] * x[:, 2] > 0.8).astype(int)
booster = xgboost.train({"objective": "binary:logistic", "max_leaves": 31, "max_depth": 6, "nthread": 1}, xgboost.DMatrix(x, y), 100)
app = FastAPI()


@app.post("/v2/models/m/infer")
async def infer(request: Request):
    body = await request.json()
    columns = [numpy.asarray(tensor["data"], dtype=numpy.float64) for tensor in body["inputs"]]
    scores = booster.inplace_predict(numpy.stack(columns, axis=1))
    return {"model_name": "m", "model_version": "1", "outputs": [{"name": "probability", "datatype": "FP64", "shape": [len(scores)], "data": scores.tolist()}]}
