using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Unicode;
using Takt.ML.Runtimes;
using Takt.Models;
using Takt.Server.Protocols.OpenInference;

namespace Takt.Protocols.Tests.OpenInference;

/// <summary>
/// ONNX's own vectors of every operator (Debian's package libonnx-testdata, ONNX 1.12: a model, inputs and outputs each) through the codec of the Open Inference Protocol.
/// </summary>
public sealed class ConformanceTests(ITestOutputHelper output)
{
    const string Folder = "/usr/share/libonnx-testdata/data";

    /// <summary>Outputs that are not the vector's on purpose, and why; docs/runtimes.md tells it.</summary>
    static readonly Dictionary<string, string> Known = new()
    {
        ["test_bernoulli"] = "random",
        ["test_bernoulli_double"] = "random",
        ["test_bernoulli_double_expanded"] = "random",
        ["test_bernoulli_expanded"] = "random",
        ["test_bernoulli_seed"] = "random: a seed is that of another generator",
        ["test_bernoulli_seed_expanded"] = "random: a seed is that of another generator",
        ["test_training_dropout"] = "random: a seed is that of another generator",
        ["test_training_dropout_default"] = "random: a seed is that of another generator",
        ["test_training_dropout_default_mask"] = "random: a seed is that of another generator",
        ["test_training_dropout_mask"] = "random: a seed is that of another generator",
        ["test_cast_FLOAT_to_BFLOAT16"] = "rounding: the vector is cut off, ONNX Runtime rounds to the nearest",
        ["test_cast_FLOAT_to_STRING"] = "digits: ONNX Runtime and numpy write floats differently",
        ["test_castlike_FLOAT_to_STRING"] = "digits: ONNX Runtime and numpy write floats differently",
        ["test_castlike_FLOAT_to_STRING_expanded"] = "digits: ONNX Runtime and numpy write floats differently",
        ["test_resize_downsample_scales_cubic_align_corners"] = "ONNX Runtime: it differs from the vector, and says so in its own tests",
        ["test_resize_downsample_scales_linear_align_corners"] = "ONNX Runtime: it differs from the vector, and says so in its own tests",
        ["test_maxunpool_export_with_output_shape"] = "ONNX: the vector is wrong (onnx/onnx#2398)",
    };

    [Fact]
    public void Every_ONNX_operator_vector_passes_the_codec_bit_for_bit()
    {
        Assert.True(Directory.Exists(Folder), "./test.sh installs libonnx-testdata");
        var (models, loaded, ran, vectors, json, equal, close) = (0, 0, 0, 0, 0, 0, 0);
        var (refused, failed, different) = (new SortedDictionary<string, int>(), new List<string>(), new List<string>());
        var worst = 0.0;
        foreach (var path in Directory.EnumerateFiles(Folder, "model.onnx", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            models++;
            var name = Path.GetFileName(Path.GetDirectoryName(path))!;
            OnnxSession session;
            try
            {
                session = OnnxSession.Open(path);
            }
            catch (TaktException e)
            {
                var why = Reason(e);
                refused[why] = refused.GetValueOrDefault(why) + 1;
                continue;
            }
            using (session)
            {
                loaded++;
                var all = true;
                foreach (var set in Directory.EnumerateDirectories(Path.GetDirectoryName(path)!, "test_data_set_*"))
                {
                    var inputs = session.Inputs.Select((f, i) => Proto.Read(Path.Combine(set, $"input_{i}.pb"), f)).ToList();
                    if (session.Faults(inputs, []) is { Count: > 0 } faults)
                    {
                        all = false;
                        failed.Add($"{name}: the vector is none of its own model: {faults[0]}");
                        continue;
                    }
                    if (inputs.Count > 0) Same(inputs, ThroughBinary(inputs, session), name); // a request has an input at least
                    if (inputs.Count > 0 && inputs.All(HasJson))
                    {
                        Same(inputs, ThroughJson(inputs, session), name);
                        json++;
                    }
                    IReadOnlyList<Tensor> given;
                    try
                    {
                        given = session.Run(inputs, []);
                    }
                    catch (TaktException e)
                    {
                        all = false;
                        failed.Add($"{name}: {e.Message}");
                        continue;
                    }
                    vectors++;
                    foreach (var tensor in given.Where(HasJson)) Assert.True(tensor.Data.Span.SequenceEqual(Json(tensor)), $"output '{tensor.Name}' of {name} does not come back from JSON");
                    for (var i = 0; i < given.Count; i++)
                    {
                        if (!File.Exists(Path.Combine(set, $"output_{i}.pb"))) continue;
                        var expected = Proto.TryRead(Path.Combine(set, $"output_{i}.pb"), given[i].Name, given[i].Type);
                        if (expected is not null && given[i].Data.Span.SequenceEqual(expected.Data.Span)) equal++;
                        else if (expected is not null && Close(given[i], expected)) close++;
                        else if (expected is not null && IsTransform(name) && Error(given[i], expected) is < 1e-5 and var error) (close, worst) = (close + 1, Math.Max(worst, error));
                        else different.Add(name);
                    }
                }
                if (all) ran++;
            }
        }
        output.WriteLine($"{models} models, {loaded} loaded, {ran} ran; {vectors} vectors, {json} of them as JSON too; outputs: {equal} equal to ONNX's bits, {close} close, {different.Count} different; a transform's largest error is {worst:G3} of its largest value");
        foreach (var (why, count) in refused) output.WriteLine($"refused {count}: {why}");
        foreach (var failure in failed) output.WriteLine(failure);
        Assert.Equal(1072, models);
        Assert.Equal(Known.Keys.Order(StringComparer.Ordinal), different.Distinct().Order(StringComparer.Ordinal));
        Assert.True(ran >= 970, $"{ran} ran; 982 did with ONNX Runtime 1.31");
        Assert.True(json >= 950, $"{json}");
    }

    static List<Tensor> ThroughBinary(List<Tensor> inputs, OnnxSession session)
    {
        var head = Request(inputs, t => ("parameters", new JsonObject { ["binary_data_size"] = t.Data.Length }));
        return Read([.. head, .. inputs.SelectMany(t => t.Data.ToArray())], head.Length, session);
    }

    static List<Tensor> ThroughJson(List<Tensor> inputs, OnnxSession session) => Read(Request(inputs, t =>
    {
        using var text = new MemoryStream();
        using (var json = new Utf8JsonWriter(text)) TensorJson.Write(json, t);
        return ("data", JsonNode.Parse(text.ToArray())!);
    }), -1, session);

    static byte[] Request(List<Tensor> inputs, Func<Tensor, (string, JsonNode)> data) => Encoding.UTF8.GetBytes(new JsonObject
    {
        ["parameters"] = new JsonObject { ["binary_data_output"] = true },
        ["inputs"] = new JsonArray([.. inputs.Select(t =>
        {
            var input = new JsonObject { ["name"] = t.Name, ["datatype"] = Tensor.NameOf(t.Type), ["shape"] = new JsonArray([.. t.Shape.Select(n => (JsonNode)n)]) };
            var (key, value) = data(t);
            input[key] = value;
            return (JsonNode)input;
        })]),
    }.ToJsonString());

    static List<Tensor> Read(byte[] body, int header, OnnxSession session) => InferRequest.Parse(body, header).ToTensors(body, session).ToList();

    static void Same(List<Tensor> expected, List<Tensor> actual, string name)
    {
        for (var i = 0; i < expected.Count; i++)
        {
            Assert.Equal(expected[i].Shape, actual[i].Shape);
            Assert.True(expected[i].Data.Span.SequenceEqual(actual[i].Data.Span), $"input '{expected[i].Name}' of {name} is not what was sent");
        }
    }

    static byte[] Json(Tensor tensor)
    {
        using var text = new MemoryStream();
        using (var json = new Utf8JsonWriter(text)) TensorJson.Write(json, tensor);
        var faults = new List<string>();
        var read = TensorJson.Read(text.ToArray(), tensor.Name, tensor.Type, tensor.Shape, faults);
        Assert.Empty(faults);
        return read!;
    }

    /// <summary>FP16 and BF16 have none, nor infinities, nor a NaN of other bits than the usual, nor bytes that are no text.</summary>
    static bool HasJson(Tensor tensor)
    {
        var data = tensor.Data.Span;
        switch (tensor.Type)
        {
            case TensorType.Fp16 or TensorType.Bf16:
                return false;
            case TensorType.Fp32:
                foreach (var value in MemoryMarshal.Cast<byte, float>(data))
                    if (!float.IsFinite(value) && BitConverter.SingleToUInt32Bits(value) != 0x7FC00000) return false;
                return true;
            case TensorType.Fp64:
                foreach (var value in MemoryMarshal.Cast<byte, double>(data))
                    if (!double.IsFinite(value) && BitConverter.DoubleToUInt64Bits(value) != 0x7FF8000000000000) return false;
                return true;
            case TensorType.Bytes:
                for (; data.Length > 0; data = data[(4 + BinaryPrimitives.ReadInt32LittleEndian(data))..])
                    if (!Utf8.IsValid(data.Slice(4, BinaryPrimitives.ReadInt32LittleEndian(data)))) return false;
                return true;
            default:
                return true;
        }
    }

    /// <summary>By ONNX's own bounds for its operators: 1e-3 of the value, or 1e-5.</summary>
    static bool Close(Tensor a, Tensor b)
    {
        if (a.Type != b.Type || a.Count != b.Count || a.Type == TensorType.Bytes) return false;
        var (x, y) = (TensorColumn.Of("", a, (int)a.Count, 1, 0), TensorColumn.Of("", b, (int)b.Count, 1, 0));
        for (var i = 0; i < x.Length; i++)
        {
            double p = x.NumberAt(i), q = y.NumberAt(i);
            if (!(p.Equals(q) || (double.IsNaN(p) && double.IsNaN(q)) || Math.Abs(p - q) <= 1e-5 + (1e-3 * Math.Abs(q)))) return false;
        }
        return true;
    }

    /// <summary>A bin of a Fourier transform is a sum of large numbers: of one near zero not its own size counts.</summary>
    static bool IsTransform(string name) => name.StartsWith("test_dft", StringComparison.Ordinal) || name.StartsWith("test_stft", StringComparison.Ordinal);

    /// <summary>The largest difference, as a part of the largest expected value; null: they can't be compared.</summary>
    static double? Error(Tensor a, Tensor b)
    {
        if (a.Type != b.Type || a.Count != b.Count || a.Type == TensorType.Bytes) return null;
        var (x, y) = (TensorColumn.Of("", a, (int)a.Count, 1, 0), TensorColumn.Of("", b, (int)b.Count, 1, 0));
        var all = Enumerable.Range(0, x.Length).ToList();
        return all.Max(i => Math.Abs(x.NumberAt(i) - y.NumberAt(i))) / all.Max(i => Math.Abs(y.NumberAt(i)));
    }

    static string Reason(TaktException e) => e.Message switch
    {
        var m when m.Contains("not a tensor", StringComparison.Ordinal) => "a sequence or an optional is no tensor",
        var m when m.Contains("Could not find an implementation", StringComparison.Ordinal) => "ONNX Runtime has no CPU kernel for the operator and type",
        var m when m.Contains("is not a registered function/op", StringComparison.Ordinal) || m.Contains("No Op registered", StringComparison.Ordinal) || m.Contains("ai.onnx.preview.training", StringComparison.Ordinal) => "ONNX Runtime does not know the operator",
        var m => m[(m.IndexOf(": ", StringComparison.Ordinal) + 2)..],
    };

    /// <summary>TensorProto of onnx.proto, from its protobuf.</summary>
    static class Proto
    {
        static readonly Dictionary<long, TensorType> Types = new()
        {
            [1] = TensorType.Fp32,
            [2] = TensorType.Uint8,
            [3] = TensorType.Int8,
            [4] = TensorType.Uint16,
            [5] = TensorType.Int16,
            [6] = TensorType.Int32,
            [7] = TensorType.Int64,
            [8] = TensorType.Bytes,
            [9] = TensorType.Bool,
            [10] = TensorType.Fp16,
            [11] = TensorType.Fp64,
            [12] = TensorType.Uint32,
            [13] = TensorType.Uint64,
            [16] = TensorType.Bf16,
        };

        /// <summary>The vectors hold the bits of BF16 as UINT16.</summary>
        public static Tensor Read(string path, TensorField field) => TryRead(path, field.Name, field.Type) ?? throw new InvalidDataException($"{path} is no tensor");

        /// <inheritdoc cref="Read"/>
        public static Tensor? TryRead(string path, string name, TensorType type) => TryRead(path, name) is { Type: TensorType.Uint16 } tensor && type == TensorType.Bf16 ? new Tensor(tensor.Name, type, tensor.Shape, tensor.Data) : TryRead(path, name);

        public static Tensor? TryRead(string path, string name)
        {
            ReadOnlySpan<byte> rest = File.ReadAllBytes(path);
            var (shape, type, raw, texts, hasRaw) = (new List<long>(), 0L, new MemoryStream(), new MemoryStream(), false);
            var values = new List<ulong>();
            while (rest.Length > 0)
            {
                var tag = Varint(ref rest);
                var (field, wire) = (tag >> 3, tag & 7);
                if (wire == 0)
                {
                    var value = Varint(ref rest);
                    if (field == 1) shape.Add((long)value);
                    else if (field == 2) type = (long)value;
                    else values.Add(value);
                    continue;
                }
                if (wire is 1 or 5)
                {
                    raw.Write(rest[..(wire == 1 ? 8 : 4)]);
                    rest = rest[(wire == 1 ? 8 : 4)..];
                    continue;
                }
                var length = (int)Varint(ref rest);
                var part = rest[..length];
                rest = rest[length..];
                switch (field)
                {
                    case 1: for (var p = part; p.Length > 0;) shape.Add((long)Varint(ref p)); break;
                    case 4 or 9 or 10: raw.Write(part); hasRaw |= field == 9; break;
                    case 5 or 7 or 11: for (var p = part; p.Length > 0;) values.Add(Varint(ref p)); break;
                    case 6:
                        texts.Write(BitConverter.GetBytes(part.Length));
                        texts.Write(part);
                        break;
                }
            }
            if (!Types.TryGetValue(type, out var known)) return null;
            if (known == TensorType.Bytes) return new Tensor(name, known, [.. shape], texts.ToArray());
            var size = Tensor.SizeOf(known);
            if (!hasRaw)
                foreach (var value in values) raw.Write(BitConverter.GetBytes(value).AsSpan(0, size));
            var tensor = new Tensor(name, known, [.. shape], raw.ToArray());
            return tensor.DataFault() is null ? tensor : null;
        }

        static ulong Varint(ref ReadOnlySpan<byte> rest)
        {
            var (value, shift, at) = (0UL, 0, 0);
            for (; rest[at] >= 0x80; at++, shift += 7) value |= (ulong)(rest[at] & 0x7F) << shift;
            value |= (ulong)rest[at] << shift;
            rest = rest[(at + 1)..];
            return value;
        }
    }
}
