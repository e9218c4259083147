using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Grpc.Net.Client;
using Inference;

namespace Takt.Protocols.Tests.OpenInference;

/// <summary>Bodies of values alone to models of tensors, and answers in typed contents over gRPC.</summary>
public sealed class RawBodyTests(OnnxServed onnx) : IClassFixture<OnnxServed>
{
    [Fact]
    public async Task A_body_of_values_alone_fills_the_one_tensor_in_the_models_own_datatype()
    {
        using var answer = await Post("line", MemoryMarshal.AsBytes<float>([1, 2, 3, 4]).ToArray());
        Assert.Equal(200, (int)answer.StatusCode);
        var body = await answer.Content.ReadAsByteArrayAsync();
        var header = int.Parse(answer.Headers.GetValues("Inference-Header-Content-Length").Single());
        Assert.Equal("[2,1]", JsonNode.Parse(body.AsSpan(0, header))!["outputs"]![0]!["shape"]!.ToJsonString());
        Assert.Equal([9f, 19f], MemoryMarshal.Cast<byte, float>(body.AsSpan(header)).ToArray()); // 2 a + 3 b + 1
    }

    [Theory]
    [InlineData("line", 7, "must be a multiple of 8")]
    [InlineData("line", 0, "must be a multiple of 8")]
    [InlineData("image", 4, "holds one input; this model takes image, gain")]
    public async Task A_body_that_fills_no_tensor_is_refused_in_words(string endpoint, int bytes, string message)
    {
        using var answer = await Post(endpoint, new byte[bytes]);
        Assert.Equal(400, (int)answer.StatusCode);
        Assert.Contains(message, await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Tensors_come_back_in_contents_where_they_are_asked_for()
    {
        using var channel = GrpcChannel.ForAddress(onnx.Served.Server.GrpcAddress!);
        var client = new GRPCInferenceService.GRPCInferenceServiceClient(channel);
        var request = new ModelInferRequest
        {
            ModelName = "image",
            Parameters = { ["binary_data_output"] = new InferParameter { BoolParam = false } },
            Inputs =
            {
                new ModelInferRequest.Types.InferInputTensor { Name = "image", Datatype = "FP32", Shape = { 1, 3, 8, 8 }, Contents = new InferTensorContents { Fp32Contents = { Enumerable.Repeat(float.PositiveInfinity, 192) } } },
                new ModelInferRequest.Types.InferInputTensor { Name = "gain", Datatype = "FP32", Contents = new InferTensorContents { Fp32Contents = { 2 } } },
            },
            Outputs = { new ModelInferRequest.Types.InferRequestedOutputTensor { Name = "brighter" } },
        };
        var answer = await client.ModelInferAsync(request);
        Assert.Empty(answer.RawOutputContents);
        Assert.Equal([1L, 3, 8, 8], Assert.Single(answer.Outputs).Shape);
        Assert.Equal(Enumerable.Repeat(float.PositiveInfinity, 192), answer.Outputs[0].Contents.Fp32Contents); // a tensor's own business
    }

    async Task<HttpResponseMessage> Post(string endpoint, byte[] body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/v2/models/{endpoint}/infer") { Content = new ByteArrayContent(body) };
        request.Headers.Add("Inference-Header-Content-Length", "0");
        return await onnx.Served.Http.SendAsync(request);
    }
}
