using System.Text;
using System.Text.Json.Nodes;
using Takt.ML.Onnx;
using Takt.ML.Runtimes;
using Takt.Models;
using Takt.Server.Protocols.OpenInference;

namespace Takt.Protocols.Tests.OpenInference;

/// <summary>Requests of tensors with bytes turned, cut, doubled or put in: each is read, or refused in words. <c>TAKT_FUZZ=1000000</c> runs more.</summary>
public sealed class TensorFuzzTests : IDisposable
{
    readonly string _path = Path.GetTempFileName();

    public void Dispose() => File.Delete(_path);

    [Fact]
    public void A_mangled_request_of_tensors_is_read_or_refused_in_words()
    {
        var graph = new OnnxGraph("all");
        foreach (var type in Enum.GetValues<TensorType>())
        {
            graph.Input($"i{type}", type, -1, 2);
            graph.Output($"o{type}", type, -1, 2);
            graph.Node("Identity", [$"i{type}"], [$"o{type}"]);
        }
        File.WriteAllBytes(_path, graph.ToArray());
        using var session = OnnxSession.Open(_path);
        var random = new Random(11);
        byte[][] seeds = [Request(binary: false, out var noHeader), Request(binary: true, out var header)];
        int[] headers = [noHeader, header];
        var rounds = int.TryParse(Environment.GetEnvironmentVariable("TAKT_FUZZ"), out var more) ? more : 8_000;
        var (read, refused) = (0, 0);
        for (var round = 0; round < rounds; round++)
        {
            var which = round & 1;
            var body = Mangled.Of(seeds[which], random);
            var length = headers[which] < 0 ? -1 : random.Next(4) == 0 ? random.Next(body.Length + 8) : Math.Min(body.Length, headers[which] + body.Length - seeds[which].Length);
            try
            {
                var request = InferRequest.Parse(body, length);
                var tensors = request.ToTensors(body, session);
                if (round % 16 == 0) session.Run(tensors, request.Outputs);
                read++;
            }
            catch (TaktException e)
            {
                Assert.True(e.Error is TaktError.Invalid or TaktError.TooLarge or TaktError.NotSupported, e.ToString());
                refused++;
            }
        }
        Assert.True(read > 0 && refused > 0, $"{read} read, {refused} refused");
    }

    static byte[] Request(bool binary, out int header)
    {
        var tail = new MemoryStream();
        var inputs = new JsonArray();
        foreach (var type in Enum.GetValues<TensorType>())
        {
            var input = new JsonObject { ["name"] = $"i{type}", ["datatype"] = Tensor.NameOf(type), ["shape"] = new JsonArray(2, 2) };
            if (!binary && TensorJson.Has(type)) input["data"] = type switch { TensorType.Bytes => new JsonArray("a", "", "ä", "\n"), TensorType.Bool => new JsonArray(true, false, 1, 0), _ => new JsonArray(1, 2, 3, 4) };
            else
            {
                byte[] values = type == TensorType.Bytes ? [1, 0, 0, 0, 65, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 66, 67] : new byte[4 * Tensor.SizeOf(type)];
                input["parameters"] = new JsonObject { ["binary_data_size"] = values.Length };
                tail.Write(values);
            }
            inputs.Add(input);
        }
        var head = Encoding.UTF8.GetBytes(new JsonObject { ["parameters"] = new JsonObject { ["binary_data_output"] = true }, ["inputs"] = inputs }.ToJsonString());
        header = head.Length;
        return [.. head, .. tail.ToArray()];
    }
}
