# Asks a server over gRPC with Debian's python3-grpcio (the C core) and messages that are built from what reflection tells. foreign_client.py HOST:PORT
import struct
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

channel = grpc.insecure_channel(sys.argv[1])
reflection = channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", lambda b: b, lambda b: b)


def fields(data):
    """Length-delimited fields of a message, as (number, bytes)."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        length, at = varint(data, at)
        if tag & 7 == 2:
            yield tag >> 3, data[at:at + length]
            at += length


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            return value, at


def ask(number, text):
    request = bytes([number << 3 | 2, len(text)]) + text.encode()
    return dict(fields(next(reflection(iter([request])))))


services = [name.decode() for _, service in fields(ask(7, "")[6]) for _, name in fields(service)]
print("services", *sorted(services))
pool = descriptor_pool.DescriptorPool()
for _, file in fields(ask(4, "inference.GRPCInferenceService")[4]):
    pool.Add(descriptor_pb2.FileDescriptorProto.FromString(file))
messages = message_factory.MessageFactory(pool)
service = pool.FindServiceByName("inference.GRPCInferenceService")


def call(name, kind="unary_unary"):
    method = service.FindMethodByName(name)
    return getattr(channel, kind)(f"/{service.full_name}/{name}", messages.GetPrototype(method.input_type).SerializeToString, messages.GetPrototype(method.output_type).FromString)


Request = messages.GetPrototype(service.FindMethodByName("ModelInfer").input_type)


def request(raw=True, id="42", model="m", x="x"):
    r = Request(model_name=model, id=id)
    for name, datatype in (x, "FP64"), ("c", "BYTES"):
        r.inputs.add(name=name, datatype=datatype, shape=[2])
    if raw:
        r.raw_input_contents.append(struct.pack("<2d", 0.1, 0.9))
        r.raw_input_contents.append(b"".join(struct.pack("<I", len(t)) + t for t in (b"a", b"b")))
    else:
        r.inputs[0].contents.fp64_contents.extend([0.1, 0.9])
        r.inputs[1].contents.bytes_contents.extend([b"a", b"b"])
    return r


infer = call("ModelInfer")
for what, r, options in ("raw", request(), {}), ("contents", request(raw=False), {}), ("gzip", request(), {"compression": grpc.Compression.Gzip}):
    answer = infer(r, timeout=30, **options)
    print(what, answer.id, answer.raw_output_contents[0].hex())
try:
    infer(request(model="nope"), timeout=30)
except grpc.RpcError as e:
    print("unknown model:", e.code().name, e.details())
try:
    channel.unary_unary(f"/{service.full_name}/SystemSharedMemoryStatus")(b"", timeout=30)
except grpc.RpcError as e:
    print("unknown method:", e.code().name)
for answer in call("ModelStreamInfer", "stream_stream")(iter([request(id="1"), request(id="2", x="xx"), request(id="3", raw=False)]), timeout=30):
    print("stream", answer.infer_response.id, *([f"error {answer.error_message.split(';')[0]}"] if answer.error_message else [answer.infer_response.raw_output_contents[0].hex()]))
