using System.Buffers.Binary;
using System.Net;
using System.Runtime.InteropServices;
using Google.Protobuf;
using Grpc.Core;
using Inference;
using Input = Inference.ModelInferRequest.Types.InferInputTensor;

namespace Takt.Protocols.Tests.OpenInference;

/// <summary>Requests of the served model as gRPC's messages, and what is asked of their answers.</summary>
static class GrpcRequests
{
    public static ModelInferRequest Raw(string id) => new()
    {
        ModelName = "m",
        Id = id,
        Inputs = { new Input { Name = "x", Datatype = "FP64", Shape = { 2 } }, new Input { Name = "c", Datatype = "BYTES", Shape = { 2 } } },
        RawInputContents = { Bytes(0.1, 0.9), ByteString.CopyFrom([1, 0, 0, 0, (byte)'a', 1, 0, 0, 0, (byte)'b']) },
    };

    public static ModelInferRequest Contents(string id) => new()
    {
        ModelName = "m",
        Id = id,
        Inputs =
        {
            new Input { Name = "x", Datatype = "FP64", Shape = { 2, 1 }, Contents = new InferTensorContents { Fp64Contents = { 0.1, 0.9 } } },
            new Input { Name = "c", Datatype = "BYTES", Shape = { 2 }, Contents = new InferTensorContents { BytesContents = { ByteString.CopyFromUtf8("a"), ByteString.CopyFromUtf8("b") } } },
        },
    };

    /// <param name="parameters">It has one, so that it takes the long way.</param>
    public static ModelInferRequest Typical(bool parameters)
    {
        var request = Raw("9");
        if (parameters) request.Parameters["priority"] = new InferParameter { Uint64Param = 1 };
        return request;
    }

    public static ModelInferRequest Numbers(string dataType, bool raw, params int[] values)
    {
        var request = raw ? Raw("1") : Contents("1");
        request.Inputs[0].Datatype = dataType;
        if (raw)
        {
            request.RawInputContents[0] = ByteString.CopyFrom(values.SelectMany(v => dataType switch
            {
                "FP64" => BitConverter.GetBytes((double)v),
                "FP32" => BitConverter.GetBytes((float)v),
                "FP16" => BitConverter.GetBytes((Half)v),
                "BF16" => BitConverter.GetBytes((float)v)[2..],
                "INT64" or "UINT64" => BitConverter.GetBytes((long)v),
                "INT32" or "UINT32" => BitConverter.GetBytes(v),
                "INT16" or "UINT16" => BitConverter.GetBytes((short)v),
                _ => new[] { (byte)v },
            }).ToArray());
            return request;
        }
        var contents = request.Inputs[0].Contents = new InferTensorContents();
        foreach (var value in values)
            if (dataType == "FP64") contents.Fp64Contents.Add(value);
            else if (dataType == "FP32") contents.Fp32Contents.Add(value);
            else if (dataType == "INT64") contents.Int64Contents.Add(value);
            else if (dataType == "UINT64") contents.Uint64Contents.Add((ulong)value);
            else if (dataType[0] == 'U') contents.UintContents.Add((uint)value);
            else contents.IntContents.Add(value);
        return request;
    }

    public static ByteString Bytes(params double[] values) => ByteString.CopyFrom(MemoryMarshal.AsBytes(values.AsSpan()));

    public static double[] Doubles(ModelInferResponse answer) => MemoryMarshal.Cast<byte, double>(Assert.Single(answer.RawOutputContents).Span).ToArray();

    public static async Task<RpcException> Refused<T>(StatusCode status, string message, AsyncUnaryCall<T> call)
    {
        var fault = await Assert.ThrowsAsync<RpcException>(async () => await call);
        Assert.Contains(message, fault.Status.Detail);
        Assert.Equal(status, fault.StatusCode);
        return fault;
    }

    /// <summary>The message alone, as any HTTP/2 client would send it.</summary>
    public static async Task<byte[]> Send(ServedModel model, string method, byte[] message)
    {
        using var answer = await Post(model, method, message);
        var body = await answer.Content.ReadAsByteArrayAsync();
        Assert.Equal("0", answer.TrailingHeaders.GetValues("grpc-status").Single());
        Assert.Equal((0, body.Length - 5), (body[0], BinaryPrimitives.ReadInt32BigEndian(body.AsSpan(1))));
        return body[5..];
    }

    public static async Task<(string Status, string Message)> SendRaw(ServedModel model, string method, byte[] message)
    {
        using var answer = await Post(model, method, message);
        return await StatusOf(answer);
    }

    static async Task<(string Status, string Message)> StatusOf(HttpResponseMessage answer)
    {
        await answer.Content.ReadAsByteArrayAsync();
        string Of(string name) => (answer.TrailingHeaders.TryGetValues(name, out var values) || answer.Headers.TryGetValues(name, out values)) ? values.Single() : "";
        return (Of("grpc-status"), Of("grpc-message"));
    }

    /// <summary>These bytes as a call's whole body.</summary>
    public static async Task<(string Status, string Message)> SendFrame(ServedModel model, string method, byte[] frame)
    {
        using var answer = await Post(model, method, new ByteArrayContent(frame) { Headers = { ContentType = new("application/grpc") } });
        return await StatusOf(answer);
    }

    static Task<HttpResponseMessage> Post(ServedModel model, string method, byte[] message) => Post(model, method, Frame(message));

    static async Task<HttpResponseMessage> Post(ServedModel model, string method, ByteArrayContent frame)
    {
        using var http = new HttpClient { BaseAddress = model.Server.GrpcAddress };
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/inference.GRPCInferenceService/{method}") { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact, Content = frame };
        request.Headers.Add("te", "trailers");
        return await http.SendAsync(request);
    }

    public static ByteArrayContent Frame(byte[] message)
    {
        var frame = new byte[5 + message.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(1), message.Length);
        message.CopyTo(frame, 5);
        return new ByteArrayContent(frame) { Headers = { ContentType = new("application/grpc") } };
    }
}
