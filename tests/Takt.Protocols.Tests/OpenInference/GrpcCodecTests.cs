using System.Runtime.InteropServices;
using CsCheck;
using Google.Protobuf;
using Inference;
using Takt.Data;
using Takt.Deployments;
using Takt.Models;
using Takt.Server.Protocols.OpenInference;
using Input = Inference.ModelInferRequest.Types.InferInputTensor;

namespace Takt.Protocols.Tests.OpenInference;

/// <summary>The reader of messages against the generated classes, and its two ways against each other. <c>TAKT_FUZZ=1000000</c> runs more.</summary>
public sealed class GrpcCodecTests : IAsyncLifetime
{
    static readonly long Iterations = Environment.GetEnvironmentVariable("TAKT_FUZZ") is { Length: > 0 } n ? long.Parse(n) : 20_000;

    static readonly Signature Signature = new([new Field("d", FieldType.Double), new Field("l", FieldType.Long), new Field("b", FieldType.Boolean), new Field("s", FieldType.String)], [new Field("y", FieldType.Double)]);

    /// <summary>Rows of all types, of which each is sent with any datatype that fits.</summary>
    static readonly Gen<(ModelInferRequest Request, Table Rows)> Requests = Gen.Select(
        Gen.Select(Gen.OneOf(Gen.Double.Where(double.IsFinite), Gen.Const(double.NaN)), Gen.Long, Gen.Bool, Gen.String.Where(IsText)).Array[1, 5],
        Gen.Bool, Gen.Bool, Gen.Int[0, 4].Select(i => new[] { "INT64", "INT32", "INT8", "UINT64", "UINT16" }[i]), Gen.Bool, Gen.String.Where(IsText)).Select((rows, raw, column, whole, single, id) =>
    {
        var fits = rows.Select(r => (D: single ? (float)r.Item1 is var f && float.IsFinite(f) ? f : 0 : r.Item1, L: whole switch { "INT64" => r.Item2, "INT32" => (int)r.Item2, "INT8" => (sbyte)r.Item2, "UINT64" => r.Item2 & long.MaxValue, _ => (ushort)r.Item2 }, B: r.Item3, S: r.Item4)).ToArray();
        var request = new ModelInferRequest { ModelName = "m", Id = id };
        Input Add(string name, string dataType)
        {
            var input = new Input { Name = name, Datatype = dataType, Shape = { fits.Length } };
            if (column) input.Shape.Add(1);
            request.Inputs.Add(input);
            return input;
        }
        var (d, l, b, s) = (Add("d", single ? "FP32" : "FP64"), Add("l", whole), Add("b", "BOOL"), Add("s", "BYTES"));
        if (raw)
        {
            request.RawInputContents.Add(ByteString.CopyFrom(fits.SelectMany(r => single ? BitConverter.GetBytes((float)r.D) : BitConverter.GetBytes(r.D)).ToArray()));
            request.RawInputContents.Add(ByteString.CopyFrom(fits.SelectMany(r => whole switch { "INT64" or "UINT64" => BitConverter.GetBytes(r.L), "INT32" => BitConverter.GetBytes((int)r.L), "INT8" => [(byte)r.L], _ => BitConverter.GetBytes((ushort)r.L) }).ToArray()));
            request.RawInputContents.Add(ByteString.CopyFrom(fits.Select(r => r.B ? (byte)1 : (byte)0).ToArray()));
            request.RawInputContents.Add(ByteString.CopyFrom(fits.SelectMany(r => (byte[])[.. BitConverter.GetBytes(System.Text.Encoding.UTF8.GetByteCount(r.S)), .. System.Text.Encoding.UTF8.GetBytes(r.S)]).ToArray()));
        }
        else
        {
            (d.Contents, l.Contents, b.Contents, s.Contents) = (new(), new(), new(), new());
            foreach (var row in fits)
            {
                if (single) d.Contents.Fp32Contents.Add((float)row.D);
                else d.Contents.Fp64Contents.Add(row.D);
                if (whole == "INT64") l.Contents.Int64Contents.Add(row.L);
                else if (whole == "UINT64") l.Contents.Uint64Contents.Add((ulong)row.L);
                else if (whole == "UINT16") l.Contents.UintContents.Add((uint)row.L);
                else l.Contents.IntContents.Add((int)row.L);
                b.Contents.BoolContents.Add(row.B);
                s.Contents.BytesContents.Add(ByteString.CopyFromUtf8(row.S));
            }
        }
        return (request, new Table([Column.Of("d", fits.Select(r => r.D).ToArray()), Column.Of("l", fits.Select(r => r.L).ToArray()), Column.Of("b", fits.Select(r => r.B).ToArray()), Column.Of("s", fits.Select(r => (string?)r.S).ToArray())]));
    });

    ServedModel _model = null!;

    public async ValueTask InitializeAsync() => _model = await ServedModel.Start();

    public ValueTask DisposeAsync() => _model.DisposeAsync();

    [Fact]
    public void What_the_generated_classes_write_is_read_back_value_by_value() => Requests.Sample((request, rows) =>
    {
        var bytes = request.ToByteArray();
        var read = InferMessage.Parse(bytes, out _);
        Assert.Equal(request.Id, read.Id ?? "");
        var table = read.ToTable(bytes, Signature);
        Assert.Equal(rows["d"].Numbers, table["d"].Numbers);
        Assert.Equal(rows["l"].Integers, table["l"].Integers);
        Assert.Equal(rows["b"].Booleans, table["b"].Booleans);
        Assert.Equal(rows["s"].Texts, table["s"].Texts);
    }, iter: Iterations);

    [Fact]
    public void Numbers_one_by_one_and_in_several_packs_are_read_as_in_one()
    {
        static byte[] Tensor(string name, string dataType, params byte[] contents) => Concat(new Input { Name = name, Datatype = dataType, Shape = { 3 } }.ToByteArray(), [0x2A, (byte)contents.Length], contents);
        static byte[] Message(params byte[][] tensors) => tensors.SelectMany(t => Concat([0x2A, (byte)t.Length], t)).ToArray();
        var bytes = Message(
            Tensor("d", "FP64", Concat([0x39], BitConverter.GetBytes(1.5), [0x3A, 16], BitConverter.GetBytes(2.5), BitConverter.GetBytes(3.5))),
            Tensor("l", "INT32", 0x10, 1, 0x12, 0, 0x10, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 0x12, 1, 3),
            Tensor("b", "BOOL", 0x08, 1, 0x0A, 2, 0, 1),
            Tensor("s", "BYTES", 0x42, 1, (byte)'a', 0x42, 0, 0x42, 1, (byte)'b'));
        var generated = ModelInferRequest.Parser.ParseFrom(bytes);
        var table = InferMessage.Parse(bytes, out _).ToTable(bytes, Signature);
        Assert.Equal(generated.Inputs[0].Contents.Fp64Contents, table["d"].Numbers);
        Assert.Equal(generated.Inputs[1].Contents.IntContents.Select(i => (long)i), table["l"].Integers);
        Assert.Equal(generated.Inputs[2].Contents.BoolContents, table["b"].Booleans);
        Assert.Equal(["a", "", "b"], table["s"].Texts);
    }

    [Fact]
    public void Changed_at_any_place_a_message_is_read_or_refused_and_never_a_bug() =>
        Gen.Select(Requests, Gen.Int[0, 1 << 20], Gen.Byte, Gen.Int[0, 3]).Sample((made, at, value, how) => Read(Changed(made.Request.ToByteArray(), at, value, how), Signature), iter: Iterations);

    [Fact]
    public void The_short_way_and_the_long_way_read_the_same() =>
        Gen.Select(Gen.Bool, Gen.Int[0, 1 << 20], Gen.Byte, Gen.Int[0, 4]).Sample((raw, at, value, how) =>
        {
            var bytes = Changed((raw ? GrpcRequests.Raw("42") : GrpcRequests.Contents("42")).ToByteArray(), at, value, how);
            var model = _model.Server.App.Router.Find("m")!.Champion.Model!;
            var batch = RowBatch.Take();
            if (!TabularMessage.TryScan(bytes, out var parts) || !TabularMessage.TryRead(bytes, parts, model.Rows!, batch))
            {
                batch.GiveBack();
                Read(bytes, model.Signature);
                return;
            }
            var request = InferMessage.Parse(bytes, out _); // what the short way takes the long way takes
            var table = request.ToTable(bytes, model.Signature);
            request.RequireOutputs(model.Signature);
            Assert.Equal(request.Id ?? "", System.Text.Encoding.UTF8.GetString(bytes.AsSpan()[parts.Id]));
            Assert.Equal(table.Rows, batch.Rows);
            model.Rows!.Score(batch.Matrix, batch.Rows, batch.Scores);
            Assert.Equal(model.Predict(table).Columns[0].Numbers, batch.Scores.ToArray());
            batch.GiveBack();
        }, iter: Iterations);

    [Fact]
    public void An_unchanged_request_takes_the_short_way()
    {
        var rows = _model.Server.App.Router.Find("m")!.Champion.Model!.Rows!;
        var named = GrpcRequests.Raw("42");
        named.Outputs.Add(new ModelInferRequest.Types.InferRequestedOutputTensor { Name = "probability" });
        foreach (var request in (ModelInferRequest[])[GrpcRequests.Raw("42"), GrpcRequests.Contents(""), named])
        {
            var bytes = request.ToByteArray();
            var batch = RowBatch.Take();
            Assert.True(TabularMessage.TryScan(bytes, out var parts));
            Assert.True(TabularMessage.TryRead(bytes, parts, rows, batch));
            batch.GiveBack();
        }
    }

    [Fact]
    public void The_answer_made_of_parts_is_what_the_generated_classes_write() => Gen.Select(Gen.Double.Array[1, 300], Gen.String.Where(IsText), Gen.Bool).Sample((scores, id, streamed) =>
    {
        var slot = _model.Server.App.Router.Find("m")!.Champion;
        var prediction = PredictionId.New(DateTimeOffset.UnixEpoch);
        var message = AnswerMessage.Of(slot)!.Write(prediction, System.Text.Encoding.UTF8.GetBytes(id), scores, streamed);
        var expected = new ModelInferResponse
        {
            ModelName = "m",
            ModelVersion = "1",
            Id = id,
            Parameters = { ["prediction_id"] = new InferParameter { StringParam = prediction.ToString() }, ["model"] = new InferParameter { StringParam = "m@1" } },
            Outputs = { new ModelInferResponse.Types.InferOutputTensor { Name = "probability", Datatype = "FP64", Shape = { scores.Length } } },
            RawOutputContents = { ByteString.CopyFrom(MemoryMarshal.AsBytes(scores.AsSpan())) },
        };
        Assert.Equal(Convert.ToHexString(streamed ? new ModelStreamInferResponse { InferResponse = expected }.ToByteArray() : expected.ToByteArray()), Convert.ToHexString(message.Bytes.Span));
        message.GiveBack();
    }, iter: 500);

    [Fact]
    public void A_matrix_takes_the_short_way_too_where_all_features_are_numbers()
    {
        var scorer = new Sums();
        var request = new ModelInferRequest { Inputs = { new Input { Name = "input__0", Datatype = "FP32", Shape = { 2, 3 } } }, RawInputContents = { ByteString.CopyFrom(MemoryMarshal.AsBytes((float[])[1, 2, 3, 4, 5, 6])) } };
        var typed = new ModelInferRequest { Inputs = { new Input { Name = "input__0", Datatype = "FP64", Shape = { 2, 3 }, Contents = new InferTensorContents { Fp64Contents = { 1, 2, 3, 4, 5, 6 } } } } };
        foreach (var made in (ModelInferRequest[])[request, typed])
        {
            var bytes = made.ToByteArray();
            var batch = RowBatch.Take();
            Assert.True(TabularMessage.TryScan(bytes, out var parts));
            Assert.True(TabularMessage.TryRead(bytes, parts, scorer, batch));
            Assert.Equal([1, 2, 3, 4, 5, 6], batch.Matrix.ToArray());
            var table = InferMessage.Parse(bytes, out _).ToTable(bytes, new Signature(scorer.Features.Select(f => new Field(f.Name, f.Type)).ToList(), [scorer.Output]));
            Assert.Equal([2, 5], table["b"].Numbers);
            batch.GiveBack();
        }
    }

    [Fact]
    public void An_output_is_as_wide_on_the_wire_as_the_signature_says()
    {
        var numbers = Column.Of("n", [1.5, double.NaN]);
        foreach (var (type, hex) in (IEnumerable<(FieldType, string)>)[(FieldType.Double, "000000000000F83F000000000000F8FF"), (FieldType.Float, "0000C03F0000C0FF"), (FieldType.Integer, "0100000000000000"), (FieldType.Long, "01000000000000000000000000000000"), (FieldType.String, "03000000312E3500000000")])
        {
            Assert.Equal(hex.Length / 2, BinaryTensor.Size(numbers, type));
            var bytes = new byte[hex.Length / 2];
            BinaryTensor.Write(bytes, numbers, type);
            Assert.Equal(hex, Convert.ToHexString(bytes));
        }
    }

    [Fact]
    public void No_memory_is_taken_for_values_that_a_short_message_only_claims_to_have()
    {
        const int Most = 1 << 20;
        var wide = new Signature(Enumerable.Range(0, 500).Select(i => new Field($"f{i}", FieldType.Double)).ToList(), [new Field("y", FieldType.Double)]);
        var texts = new Signature([new Field("s", FieldType.String)], wide.Outputs);
        var scorer = new Sums();
        foreach (var raw in (bool[])[true, false])
            foreach (var (name, dataType, shape, signature) in (IEnumerable<(string, string, long[], Signature)>)[("input__0", "FP64", [100_000, 500], wide), ("f0", "FP64", [100_000], wide), ("s", "BYTES", [100_000], texts), ("a", "FP64", [100_000], wide)])
            {
                var request = new ModelInferRequest { Inputs = { new Input { Name = name, Datatype = dataType, Shape = { shape } } } };
                if (raw) request.RawInputContents.Add(ByteString.CopyFrom(1, 2));
                var bytes = request.ToByteArray();
                Claims(() => Read(bytes, signature));
                Claims(() => Assert.False(TabularMessage.TryScan(bytes, out var parts) && RowBatch.Take() is var batch && TabularMessage.TryRead(bytes, parts, scorer, batch)));
                var json = System.Text.Encoding.UTF8.GetBytes($$"""{"inputs":[{"name":"{{name}}","shape":[{{string.Join(',', shape)}}],"datatype":"{{dataType}}","data":[]}]}""");
                Claims(() => Assert.Throws<TaktException>(() => InferRequest.Parse(json).ToTable(json, signature)));
                Claims(() => Assert.False(TabularRequest.TryRead(json, scorer, RowBatch.Take(), out _)));
            }

        static void Claims(Action read)
        {
            read(); // compiled, and what is made once is made
            var before = GC.GetAllocatedBytesForCurrentThread();
            read();
            Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < Most, $"{GC.GetAllocatedBytesForCurrentThread() - before} bytes");
        }
    }

    /// <summary>Any bytes are a tensor: NaN, infinities, numbers beyond INT64, texts that are no UTF-8.</summary>
    [Fact]
    public void A_tensor_of_any_type_and_shape_comes_through_contents_as_it_does_raw() => Gen.Select(Tensors, Gen.Bool, Gen.Int[0, 1 << 20], Gen.Byte).Sample((tensor, change, at, value) =>
    {
        var type = Tensor.NameOf(tensor.Type);
        var model = new Given(new TensorField("t", tensor.Type, tensor.Shape.Select(_ => -1L).ToList()));
        var raw = new ModelInferRequest { Inputs = { new Input { Name = "t", Datatype = type, Shape = { tensor.Shape } } }, RawInputContents = { ByteString.CopyFrom(tensor.Data.Span) } }.ToByteArray();
        Assert.Equal(Convert.ToHexString(tensor.Data.Span), Convert.ToHexString(InferMessage.Parse(raw, out _).ToTensors(raw, model)[0].Data.Span));
        if (!TensorJson.Has(tensor.Type)) return;
        var typed = new ModelInferRequest { Inputs = { new Input { Name = "t", Datatype = type, Shape = { tensor.Shape }, Contents = AnswerMessage.Contents(tensor) } } }.ToByteArray();
        var read = InferMessage.Parse(typed, out _).ToTensors(typed, model)[0];
        Assert.Equal((Convert.ToHexString(tensor.Data.Span), string.Join(',', tensor.Shape)), (Convert.ToHexString(read.Data.Span), string.Join(',', read.Shape)));
        if (!change) return;
        typed[at % typed.Length] = value;
        try
        {
            var changed = InferMessage.Parse(typed, out _).ToTensors(typed, model)[0];
            Assert.Null(changed.DataFault()); // whatever it is now, the model may trust it
        }
        catch (TaktException e)
        {
            Assert.Contains(e.Error, (TaktError[])[TaktError.Invalid, TaktError.NotSupported]);
        }
    }, iter: Iterations);

    static readonly Gen<Tensor> Tensors = Gen.Select(Gen.Enum<TensorType>(), Gen.Long[0, 3].Array[0, 3], Gen.Byte.Array[27 * 8], Gen.Int[0, 6]).Select((type, shape, bytes, length) =>
    {
        var count = (int)Tensor.CountOf(shape);
        if (type == TensorType.Bytes) bytes = Enumerable.Range(0, count).SelectMany(i => (byte[])[.. BitConverter.GetBytes(length), .. bytes.AsSpan(i, length)]).ToArray();
        else if (type == TensorType.Bool) bytes = bytes.Take(count).Select(b => (byte)(b & 1)).ToArray();
        else bytes = bytes[..(count * Tensor.SizeOf(type))];
        return new Tensor("t", type, shape, bytes);
    });

    sealed class Given(TensorField input) : TensorModel([input], [])
    {
        public override IReadOnlyList<Tensor> Run(IReadOnlyList<Tensor> inputs, IReadOnlyCollection<string> outputs) => throw new NotSupportedException();
    }

    static void Read(byte[] bytes, Signature signature)
    {
        try
        {
            var request = InferMessage.Parse(bytes, out _);
            request.ToTable(bytes, signature);
            request.RequireOutputs(signature);
        }
        catch (TaktException e)
        {
            Assert.Contains(e.Error, (TaktError[])[TaktError.Invalid, TaktError.NotSupported]);
        }
    }

    static byte[] Changed(byte[] bytes, int at, byte value, int how)
    {
        at %= bytes.Length;
        return how switch
        {
            0 => Concat(bytes[..at], [value], bytes[(at + 1)..]),
            1 => Concat(bytes[..at], [value], bytes[at..]),
            2 => Concat(bytes[..at], bytes[(at + 1)..]),
            3 => bytes[..at],
            _ => bytes,
        };
    }

    static byte[] Concat(params byte[][] parts) => parts.SelectMany(p => p).ToArray();

    /// <summary>No lone surrogates: they have no UTF-8.</summary>
    static bool IsText(string text) => System.Text.Encoding.UTF8.GetString(System.Text.Encoding.UTF8.GetBytes(text)) == text;

    sealed class Sums() : RowScorer([new Feature("a", FieldType.Double, null), new Feature("b", FieldType.Float, null), new Feature("c", FieldType.Double, null)], new Field("y", FieldType.Double))
    {
        public override void Score(ReadOnlySpan<double> matrix, int rows, Span<double> scores) => throw new NotSupportedException();
    }
}
