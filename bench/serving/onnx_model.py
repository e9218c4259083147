"""ONNX models written as protobuf by hand, so that a bench needs no package for it."""
import os, random, struct


def varint(n):
    out = b""
    while n > 127: out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def field(number, value):
    """Of protobuf: a number, a text or a message."""
    if isinstance(value, int): return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def tensor(name, shape):
    """ValueInfoProto of floats; -1: the batch."""
    dims = b"".join(field(1, field(2, "n") if d < 0 else field(1, d)) for d in shape)
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, dims)))


def weights(name, shape):
    """TensorProto of random floats."""
    count = 1
    for d in shape: count *= d
    values = (random.random() * 0.1 - 0.05 for _ in range(count))
    return b"".join(field(1, d) for d in shape) + field(2, 1) + field(8, name) + field(9, struct.pack("<%df" % count, *values))


def node(op, inputs, output): return b"".join(field(1, i) for i in inputs) + field(2, output) + field(4, op)


def save(folder, nodes, constants, takes, gives):
    """A folder that takt/register@1 takes."""
    graph = b"".join(field(1, n) for n in nodes) + field(2, "g") + b"".join(field(5, c) for c in constants) + field(11, takes) + field(12, gives)
    os.mkdir(folder)
    with open(folder + "/model.onnx", "wb") as file: file.write(field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 13)))
    with open(folder + "/MLmodel", "w") as file:
        file.write("flavors:\n  onnx:\n    code: null\n    data: model.onnx\n    onnx_version: 1.16.0\n    providers:\n    - CPUExecutionProvider\n"
                   "  python_function:\n    loader_module: mlflow.onnx\n    data: model.onnx\n")


def binary_lua(path, body, head_length):
    """A request of binary tensors as wrk sends it."""
    with open(path, "w") as file:
        file.write('local f = io.open("%s", "rb")\nwrk.method = "POST"\nwrk.headers["Content-Type"] = "application/octet-stream"\n'
                   'wrk.headers["Inference-Header-Content-Length"] = "%d"\nwrk.body = f:read("*a")\n' % (body, head_length))
