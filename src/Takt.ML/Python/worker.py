# The other end of Takt's Python runtime: loads one model and answers batches of columns over two pipes. Needs the standard library only; numpy, pandas, scikit-learn and
# mlflow are used when the model needs them. Frames are u32 length of what follows, u8 kind, body, little-endian; docs/runtimes.md has the tables.
import array
import atexit
import base64
import datetime
import importlib.util
import inspect
import json
import os
import pickle
import select
import struct
import sys
import threading
import time
import traceback

BOOL, INT, FLOAT, TEXT, TIME = range(5)
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
FAULT, MEMORY = 1, 2


class Refusal(Exception):
    """To be told as it is."""


class Incoming:
    """A table as it came; every form of it is made from the bytes."""

    def __init__(self, body):
        view = memoryview(body)
        self.rows, count = struct.unpack_from("<II", view, 0)
        at, self.columns = 8, {}
        for _ in range(count):
            kind, has, length = struct.unpack_from("<BBH", view, at)
            at += 4
            name = str(view[at:at + length], "utf-8")
            at += length
            missing = None
            if has:
                missing = view[at:at + self.rows]
                at += self.rows
            if kind == BOOL:
                values = view[at:at + self.rows]
                at += self.rows
            elif kind == TEXT:
                ends = array.array("I")
                ends.frombytes(view[at:at + 4 * self.rows])
                at += 4 * self.rows
                values, start = [], 0
                for end in ends:
                    values.append(str(view[at + start:at + end], "utf-8"))
                    start = end
                at += start
            else:
                values = view[at:at + 8 * self.rows]
                at += 8 * self.rows
            self.columns[name] = (kind, missing, values)

    def lists(self, fields):
        """Python's own values; None where one is missing, but for numbers with a fraction: those are NaN."""
        found = {}
        for name, (kind, missing, values) in self.columns.items():
            if kind == BOOL:
                values = [v != 0 for v in values]
            elif kind in (INT, TIME):
                numbers = array.array("q")
                numbers.frombytes(values)
                values = numbers.tolist() if kind == INT else [EPOCH + datetime.timedelta(microseconds=v) for v in numbers]
            elif kind == FLOAT:
                numbers = array.array("d")
                numbers.frombytes(values)
                values = numbers.tolist()
            if kind == TEXT and fields.get(name) == "binary":
                values = [base64.b64decode(v) for v in values]
            if missing is not None and kind != FLOAT:
                values = [None if gone else v for v, gone in zip(values, missing)]
            found[name] = values
        return found

    def arrays(self, fields):
        import numpy as np
        found = {}
        for name, (kind, missing, values) in self.columns.items():
            wanted = fields.get(name)
            gone = None if missing is None else np.frombuffer(missing, np.uint8) != 0
            if kind == BOOL:
                values = np.frombuffer(values, np.uint8) != 0
                if gone is not None:
                    values = values.astype(object)
                    values[gone] = None
            elif kind == INT:
                values = np.frombuffer(values, "<i8").astype(np.int32 if wanted == "integer" else np.int64)
                if gone is not None:
                    values = values.astype(np.float64)
                    values[gone] = np.nan
            elif kind == TIME:
                values = np.frombuffer(values, "<i8").astype("datetime64[us]")
                if gone is not None:
                    values[gone] = np.datetime64("NaT")
                values = values.astype("datetime64[ns]")
            elif kind == FLOAT:
                values = np.frombuffer(values, "<f8").astype(np.float32 if wanted == "float" else np.float64)
            else:
                if wanted == "binary":
                    values = [base64.b64decode(v) for v in values]
                values = np.array(values, dtype=object)
                if gone is not None:
                    values[gone] = None
            found[name] = values
        return found

    def matrix(self, dtype):
        import numpy as np
        whole = np.empty((self.rows, len(self.columns)), dtype=dtype)
        for i, values in enumerate(self.arrays({}).values()):
            whole[:, i] = values
        return whole

    def frame(self, fields):
        import pandas as pd
        if len(self.columns) > 1 and all(kind == FLOAT and fields.get(name) == "double" for name, (kind, _, _) in self.columns.items()):
            return pd.DataFrame(self.matrix("float64"), columns=list(self.columns), copy=False)
        return pd.DataFrame(self.arrays(fields))


def is_missing(value):
    return value is None or type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float) and value != value)


def encode(name, values, rows):
    """A column of the answer."""
    if hasattr(values, "to_numpy"):
        values = values.to_numpy()
    kind, missing, body = None, None, None
    if hasattr(values, "dtype") and hasattr(values, "ndim"):
        if values.ndim == 2 and values.shape[1] == 1:
            values = values[:, 0]
        if values.ndim != 1:
            raise Refusal("the answer's column '%s' has %d dimensions; one is allowed" % (name, values.ndim))
        code = values.dtype.kind
        if code == "b":
            kind, body = BOOL, values.astype("u1").tobytes()
        elif code in "iu":
            kind, body = INT, values.astype("<i8").tobytes()
        elif code == "f":
            kind, body = FLOAT, values.astype("<f8").tobytes()
        elif code == "M":
            micros = values.astype("datetime64[us]").astype("<i8")
            gone = micros == -2 ** 63
            kind, body = TIME, micros.tobytes()
            missing = gone.astype("u1").tobytes() if gone.any() else None
        else:
            values = values.tolist()
    if len(values) != rows:
        raise Refusal("the model answered %d values for %d rows; it must answer one a row" % (len(values), rows))
    if kind is None:
        kind, missing, body = from_list(values)
    text = name.encode("utf-8")[:65535]
    return struct.pack("<BBH", kind, missing is not None, len(text)) + text + (missing or b"") + body


def from_list(values):
    values = [v.item() if hasattr(v, "item") and hasattr(v, "dtype") and getattr(v, "ndim", 1) == 0 else v for v in values]
    gone = [is_missing(v) for v in values]
    there = [v for v, g in zip(values, gone) if not g]
    missing = bytes(gone) if any(gone) else None
    if there and all(isinstance(v, bool) for v in there):
        return BOOL, missing, bytes(bool(v) and not g for v, g in zip(values, gone))
    if there and all(isinstance(v, int) and not isinstance(v, bool) and -2 ** 63 <= v < 2 ** 63 for v in there):
        return INT, missing, array.array("q", [0 if g else v for v, g in zip(values, gone)]).tobytes()
    if all(isinstance(v, (int, float)) or type(v).__name__ == "Decimal" for v in there):
        return FLOAT, None, array.array("d", [float("nan") if g else float(v) for v, g in zip(values, gone)]).tobytes()
    if all(isinstance(v, datetime.datetime) for v in there):
        aware = [EPOCH if g else v if v.tzinfo else v.replace(tzinfo=datetime.timezone.utc) for v, g in zip(values, gone)]
        return TIME, missing, array.array("q", [(v - EPOCH) // datetime.timedelta(microseconds=1) for v in aware]).tobytes()
    blob, ends = bytearray(), array.array("I")
    for value, g in zip(values, gone):
        if not g:
            if isinstance(value, (bytes, bytearray)):
                blob += base64.b64encode(value)
            else:
                blob += (value if isinstance(value, str) else json.dumps(value, default=str)).encode("utf-8", "replace")
        ends.append(len(blob))
    return TEXT, missing, ends.tobytes() + bytes(blob)


def answer(result, rows):
    """Whatever a model gives back, as a table."""
    if hasattr(result, "toarray"):
        result = result.toarray()
    if hasattr(result, "columns") and hasattr(result, "dtypes"):
        columns = [("" if isinstance(name, int) else str(name), result.iloc[:, i]) for i, name in enumerate(result.columns)]
    elif isinstance(result, dict):
        columns = [(str(name), values if hasattr(values, "__len__") and not isinstance(values, (str, bytes)) else [values]) for name, values in result.items()]
    elif hasattr(result, "ndim") and hasattr(result, "shape") and not hasattr(result, "to_frame"):
        if result.ndim > 2 or result.ndim == 0:
            raise Refusal("the model answered an array of %d dimensions; one or two are allowed" % result.ndim)
        columns = [("", result)] if result.ndim == 1 else [("", result[:, i]) for i in range(result.shape[1])]
    elif hasattr(result, "to_numpy"):
        columns = [("", result)]
    elif isinstance(result, (list, tuple, array.array)):
        result = list(result)
        if result and all(isinstance(r, dict) for r in result):
            names = list(dict.fromkeys(name for r in result for name in r))
            columns = [(str(name), [r.get(name) for r in result]) for name in names]
        elif result and all(isinstance(r, (list, tuple)) and len(r) == len(result[0]) for r in result):
            columns = [("", [r[i] for r in result]) for i in range(len(result[0]))]
        else:
            columns = [("", result)]
    else:
        raise Refusal("the model answered a %s; a list, a dict of lists, an array, a Series or a DataFrame is wanted, one value a row" % type(result).__name__)
    return struct.pack("<II", rows, len(columns)) + b"".join(encode(name, values, rows) for name, values in columns)


def length_of(result):
    for value in (result.values() if isinstance(result, dict) else [result]):
        if hasattr(value, "shape") and value.shape:
            return int(value.shape[0])
        return len(value)
    return 0


def takes_params(function, place):
    """Whether it has an argument of that name, behind so many others."""
    try:
        found = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False
    return "params" in found and list(found).index("params") >= place and found["params"].kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Script:
    """predict.py: predict(model, columns), with or without load(folder)."""

    def __init__(self, config):
        path = os.path.join(config["folder"], config["script"])
        sys.path.insert(0, os.path.dirname(path))
        spec = importlib.util.spec_from_file_location("takt_model", path)
        self.module = sys.modules["takt_model"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)
        if not callable(getattr(self.module, "predict", None)):
            raise Refusal("%s has no function predict(model, columns)" % config["script"])
        self.form = getattr(self.module, "COLUMNS", "lists")
        if self.form not in ("lists", "numpy", "pandas"):
            raise Refusal("%s: COLUMNS is %r; it may be 'lists', 'numpy' or 'pandas'" % (config["script"], self.form))
        if self.form != "lists":
            __import__(self.form)
        self.fields, self.told, self.defaults = config["fields"], config["script"], config.get("params")
        self.takes = takes_params(self.module.predict, 2)
        self.model = self.module.load(config["folder"]) if callable(getattr(self.module, "load", None)) else None

    def predict(self, table, params):
        columns = table.lists(self.fields) if self.form == "lists" else table.arrays(self.fields) if self.form == "numpy" else table.frame(self.fields)
        if self.takes:
            return self.module.predict(self.model, columns, params=self.defaults if params is None else params)
        return self.module.predict(self.model, columns)

    def example(self):
        return None


class Function:
    """MLflow's python_function: by mlflow where it is there; a scikit-learn pickle also without."""

    def __init__(self, config):
        self.fields, self.dtype, self.folder, self.sample = config["fields"], config.get("matrix"), config["folder"], config.get("example")
        for path in config["code"]:
            sys.path.insert(0, os.path.join(config["folder"], path))
        self.call = self.direct = None
        try:
            import mlflow.pyfunc
        except ImportError as e:
            absent = e
        else:
            model = mlflow.pyfunc.load_model(config["folder"])
            self.call = model.predict
            # mlflow would check once more what the signature has been checked for already, which takes a third of a small model's time
            inner = getattr(model, "_model_impl", None)
            if type(inner).__name__ == "_SklearnModelWrapper":
                self.direct = inner.predict
            self.told = "mlflow %s" % mlflow.__version__
        if self.call is None:
            if not config.get("pickle"):
                raise absent
            import sklearn
            path = os.path.join(config["folder"], config["pickle"])
            try:
                with open(path, "rb") as file:
                    model = pickle.load(file)
            except pickle.UnpicklingError:
                import joblib
                model = joblib.load(path)
            method = getattr(model, config["method"], None)
            if method is None:
                raise Refusal("%s holds a %s, which has no %s()" % (config["pickle"], type(model).__name__, config["method"]))
            self.call, self.told = method, "scikit-learn %s" % sklearn.__version__
        self.takes, self.defaults = takes_params(self.call, 1), config.get("params")
        self.pandas = self.dtype is None and importlib.util.find_spec("pandas") is not None

    def predict(self, table, params):
        given = {"params": self.defaults if params is None else params} if self.takes and self.defaults is not None else {}
        if self.dtype is not None:
            return self.call(table.matrix(self.dtype), **given)
        if not self.pandas:
            return self.call(table.matrix("float64"), **given)
        whole = all(kind == FLOAT or missing is None for kind, missing, _ in table.columns.values())
        if self.direct is not None and whole and not given:
            return self.direct(table.frame(self.fields))
        return self.call(table.frame(self.fields), **given)

    def example(self):
        """What was logged beside the model as an example; None: nothing that can be used."""
        if self.sample is None:
            return None
        try:
            with open(os.path.join(self.folder, self.sample), encoding="utf-8") as file:
                given = json.load(file)
            if self.dtype is not None:
                import numpy as np
                return np.array(given["inputs"] if isinstance(given, dict) else given, dtype=self.dtype)
            if not self.pandas or not isinstance(given, dict) or "data" not in given:
                return None
            import pandas as pd
            kinds = {"integer": "int32", "long": "int64", "float": "float32", "double": "float64", "boolean": "bool", "datetime": "datetime64[ns]"}
            frame = pd.DataFrame(given["data"], columns=given.get("columns"))
            return frame.astype({name: kinds[self.fields[name]] for name in frame.columns if self.fields.get(name) in kinds})
        except Exception:
            traceback.print_exc()
            return None


def watch(fd, parent):
    """Ends this process, and what it started, when the server is gone: also in the middle of an answer."""
    poll = select.poll()
    poll.register(fd, 0)
    while not poll.poll(1000) and os.getppid() == parent:
        pass
    time.sleep(2)  # an idle worker has ended by itself by then
    end()


def end():
    if os.getpgrp() == os.getpid():
        os.killpg(0, 9)
    os._exit(1)


def reason(error, folder):
    text = str(error) if isinstance(error, Refusal) else "%s: %s" % (type(error).__name__, error)
    for step in reversed(traceback.extract_tb(error.__traceback__)):
        if step.filename.startswith(folder):
            text += " (%s, line %d)" % (os.path.relpath(step.filename, folder), step.lineno)
            break
    return text[:4000]


def main():
    pid = os.getpid()
    if os.getpgrp() != pid:
        os.setsid()  # what the model starts is ended with it, and Ctrl-C is the server's
    atexit.register(lambda: os.getpid() == pid and end())  # the first that is registered runs last
    pipe = os.dup(0)
    reader, writer = open(pipe, "rb", buffering=1 << 16), open(os.dup(1), "wb", buffering=1 << 16)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)  # what the model prints is no answer
    threading.Thread(target=watch, args=(pipe, os.getppid()), daemon=True).start()
    if "" in sys.path:
        sys.path.remove("")

    def send(kind, body):
        writer.write(struct.pack("<IB", len(body) + 1, kind))
        writer.write(body)
        writer.flush()

    def take():
        head = reader.read(5)
        if len(head) < 5:
            sys.exit(0)
        length, kind = struct.unpack("<IB", head)
        body = reader.read(length - 1)
        if len(body) < length - 1:
            sys.exit(0)
        return kind, body

    _, body = take()
    config = json.loads(body)
    folder = config["folder"]
    if config.get("memory"):
        try:
            import resource
            resource.setrlimit(resource.RLIMIT_DATA, (config["memory"], config["memory"]))
        except (ImportError, ValueError, OSError):
            traceback.print_exc()
    try:
        model = Script(config) if config.get("script") else Function(config)
    except BaseException as error:
        traceback.print_exc()
        told = {"error": reason(error, folder), "python": sys.version.split()[0], "executable": sys.executable}
        if isinstance(error, ModuleNotFoundError) and error.name:
            told["module"] = error.name
        send(ord("E"), json.dumps(told).encode())
        sys.exit(0)
    send(ord("R"), json.dumps({"python": sys.version.split()[0], "executable": sys.executable, "with": model.told, "pid": pid}).encode())
    while True:
        kind, body = take()
        try:
            params = None
            if kind == ord("Q"):
                length, = struct.unpack_from("<I", body, 0)
                params, body = json.loads(body[4:4 + length]), memoryview(body)[4 + length:]
            table = Incoming(body)
            example = model.example() if kind == ord("W") else None
            if example is not None:
                result = model.call(example)
                told = answer(result, length_of(result))
            else:
                told = answer(model.predict(table, params), table.rows)
        except MemoryError as error:
            table = body = None
            traceback.print_exc()
            send(ord("E"), bytes([MEMORY]) + reason(error, folder).encode("utf-8", "replace"))
        except BaseException as error:
            traceback.print_exc()
            send(ord("E"), bytes([FAULT]) + reason(error, folder).encode("utf-8", "replace"))
        else:
            send(ord("A"), told)


main()
