using System.Globalization;
using Takt.Data;
using Takt.Deployments;
using Takt.Models;
using Takt.Pipelines;

namespace Takt.Server.Protocols.OpenInference;

/// <summary>An infer request of the Open Inference Protocol v2, read from JSON straight into columns.</summary>
/// <remarks>One pass over the bytes finds the tensors, a second reads each one's data, since <c>data</c> may stand before <c>datatype</c>.</remarks>
sealed class InferRequest
{
    /// <summary>More rows in one request are refused: a batch of this size belongs into batch scoring.</summary>
    public const int MostRows = 100_000;

    public const string HeaderLength = "Inference-Header-Content-Length";

    readonly List<Tensor> _inputs = [];

    public string? Id { get; internal set; }

    public DateTimeOffset? EventTime { get; internal set; }

    public PredictionKeys? Keys { get; internal set; }

    /// <summary>Triton's <c>timeout</c>, in the request in microseconds; null: none.</summary>
    public TimeSpan? Timeout { get; internal set; }

    /// <summary>Outputs that are asked for; empty: all.</summary>
    public List<string> Outputs { get; } = [];

    /// <summary>Whether an output is to be sent as raw bytes.</summary>
    public bool IsBinary(string output) => _binaryOutputs.TryGetValue(output, out var own) ? own : BinaryOutput;

    /// <summary>Whether outputs are sent as raw bytes where nothing is said of one.</summary>
    internal bool BinaryOutput { private get; set; }

    readonly Dictionary<string, bool> _binaryOutputs = new(StringComparer.Ordinal);

    internal int InputCount => _inputs.Count;

    internal void Add(Tensor input) => _inputs.Add(input);

    internal void Add(string output, bool? binary)
    {
        Outputs.Add(output);
        if (binary is { } own) _binaryOutputs[output] = own;
    }

    /// <exception cref="TaktException">Invalid: not JSON of this form.</exception>
    /// <param name="header">How many bytes of the body are JSON; raw tensors follow. Negative: all.</param>
    public static InferRequest Parse(ReadOnlySpan<byte> body, int header = -1)
    {
        var whole = body.Length;
        if (header > whole) throw TaktException.Invalid($"{HeaderLength} is {header}, but the body has {whole} bytes");
        var request = new InferRequest();
        InferJson.Read(header < 0 ? body : body[..header], request);
        if (request._inputs.Count == 0) throw TaktException.Invalid("inputs is missing: a list of tensors with name, shape, datatype and data");
        request.PlaceBinary(header < 0 ? -1 : header, whole);
        return request;
    }

    /// <summary>A body that is values and nothing else, Triton's raw binary request: which and how many follows from the model. The answer is raw as well.</summary>
    public static InferRequest OfValues() => new() { _isValues = true, BinaryOutput = true };

    bool _isValues;

    /// <summary>The tensors as the columns of the signature.</summary>
    /// <exception cref="TaktException">Invalid, with every fault: a wrong name, datatype, shape or value.</exception>
    public Table ToTable(ReadOnlySpan<byte> body, Signature signature)
    {
        if (_isValues) return ValuesAlone(body, signature);
        var faults = new List<string>();
        foreach (var twice in _inputs.GroupBy(i => i.Name).Where(g => g.Count() > 1)) faults.Add($"input '{twice.Key}' is given {twice.Count()} times");
        if (_inputs is [{ Shape: [_, > 1] } matrix] && signature.Inputs.All(f => f.Name != matrix.Name)) return Matrix(body, matrix, signature);

        var names = signature.Inputs.Select(f => f.Name).ToList();
        foreach (var input in _inputs.Where(i => !names.Contains(i.Name))) faults.Add($"unknown input '{input.Name}'{Nearest.Hint(input.Name, names)}");
        var columns = new List<Column>(names.Count);
        var rows = -1L;
        foreach (var field in signature.Inputs)
        {
            var at = _inputs.FindIndex(i => i.Name == field.Name);
            if (at < 0)
            {
                if (!field.Required) continue;
                faults.Add($"input '{field.Name}' ({DataType(field.Type)}) is missing");
                continue;
            }
            var input = _inputs[at];
            if (input.Shape.Length == 0)
            {
                faults.Add($"input '{field.Name}' has no shape");
                continue;
            }
            if (input.Shape is not ([_] or [_, 1]))
            {
                faults.Add($"input '{field.Name}' has shape [{string.Join(',', input.Shape)}]; it must be [rows] or [rows,1]");
                continue;
            }
            if (rows < 0) rows = input.Shape[0];
            if (input.Shape[0] != rows) faults.Add($"input '{field.Name}' has {input.Shape[0]} rows, others have {rows}");
            else if (rows is < 1 or > MostRows) faults.Add($"input '{field.Name}' has {rows} rows; 1 to {MostRows} are allowed");
            else if (!Fits(input.DataType, field.Type)) faults.Add($"input '{field.Name}' has datatype {input.DataType}; the model takes {DataType(field.Type)}");
            else if (Values(body, input, field, (int)rows, faults) is { } column) columns.Add(column);
        }
        if (faults.Count > 0) throw new TaktException(TaktError.Invalid, faults.Distinct().ToList());
        return new Table(columns);
    }

    /// <summary>Whether it speaks of the model's tensors, and not of its rows. Inputs of one value a row are both: rows, as the log and monitors know them.</summary>
    public bool IsOf(ILoadedModel model)
    {
        if (model.Tensors is not { } tensors) return false;
        if (_isValues && tensors.Inputs.Count == 1) return true; // they are the tensor's, whatever its columns are called
        return model.Signature.Inputs.Count == 0 || (_inputs.Any(i => tensors.Inputs.Any(f => f.Name == i.Name)) && !_inputs.All(i => model.Signature.Inputs.Any(f => f.Name == i.Name)));
    }

    /// <summary>The tensors as the model takes them; binary ones stay where they are in the body.</summary>
    /// <exception cref="TaktException">Invalid, with every fault: a wrong name, datatype, shape or value.</exception>
    public IReadOnlyList<Models.Tensor> ToTensors(ReadOnlyMemory<byte> body, TensorModel model)
    {
        if (_isValues) return [ValuesAlone(body, model)];
        var faults = new List<string>();
        var tensors = new List<Models.Tensor>(_inputs.Count);
        foreach (var input in _inputs)
            if (Models.Tensor.TypeOf(input.DataType) is { } type) tensors.Add(new(input.Name, type, input.Shape, default));
            else faults.Add($"input '{input.Name}' has datatype '{input.DataType}'; there are {string.Join(", ", Enum.GetValues<TensorType>().Select(Models.Tensor.NameOf))}");
        faults.AddRange(model.Faults(tensors, Outputs).Where(f => faults.Count == 0 || !f.EndsWith(" is missing", StringComparison.Ordinal)));
        foreach (var output in model.Outputs.Where(f => !TensorJson.Has(f.Type) && (Outputs.Count == 0 || Outputs.Contains(f.Name)) && !IsBinary(f.Name)))
            faults.Add($"output '{output.Name}' is {Models.Tensor.NameOf(output.Type)}, which has no JSON form; ask for it with parameters.binary_data");
        if (faults.Count > 0) throw new TaktException(TaktError.Invalid, faults);
        for (var i = 0; i < tensors.Count; i++)
        {
            var (input, type) = (_inputs[i], tensors[i].Type);
            if (input.IsContents)
            {
                if (ContentsTensor.Read(body.Slice(input.From, input.Bytes), input, type, faults) is { } contents) tensors[i] = new(input.Name, type, input.Shape, contents);
            }
            else if (input.Bytes >= 0)
            {
                tensors[i] = new(input.Name, type, input.Shape, body.Slice(input.From, input.Bytes));
                if (tensors[i].DataFault() is { } fault) faults.Add(fault);
            }
            else if (!TensorJson.Has(type)) faults.Add($"input '{input.Name}': {input.DataType} has no JSON form; send it as binary data");
            else if (TensorJson.Read(body.Span[input.From..], input.Name, type, input.Shape, faults) is { } values) tensors[i] = new(input.Name, type, input.Shape, values);
        }
        return faults.Count == 0 ? tensors : throw new TaktException(TaktError.Invalid, faults);
    }

    /// <exception cref="TaktException">Invalid: an output is asked for that the model does not have.</exception>
    public void RequireOutputs(Signature signature)
    {
        var names = signature.Outputs.Select(f => f.Name).ToList();
        var unknown = Outputs.Where(o => !names.Contains(o)).Distinct().Select(o => $"the model has no output '{o}'; it has {string.Join(", ", names)}").ToList();
        if (unknown.Count > 0) throw new TaktException(TaktError.Invalid, unknown);
    }

    /// <summary>The datatype that a field has on the wire.</summary>
    public static string DataType(FieldType type) => type switch
    {
        FieldType.Boolean => "BOOL",
        FieldType.Integer => "INT32",
        FieldType.Long or FieldType.Datetime => "INT64",
        FieldType.Float => "FP32",
        FieldType.Double => "FP64",
        _ => "BYTES",
    };

    static bool Fits(string dataType, FieldType type) => type switch
    {
        FieldType.String or FieldType.Binary => dataType == "BYTES",
        FieldType.Boolean => dataType is "BOOL" or "UINT8" or "INT8" or "INT32" or "INT64",
        FieldType.Integer or FieldType.Long or FieldType.Datetime => dataType is "INT64" or "INT32" or "INT16" or "INT8" or "UINT64" or "UINT32" or "UINT16" or "UINT8",
        _ => dataType is "FP64" or "FP32" or "FP16" or "BF16" or "INT64" or "INT32" or "INT16" or "INT8" or "UINT64" or "UINT32" or "UINT16" or "UINT8",
    };

    /// <summary>One tensor of rows × features, where all features are numbers.</summary>
    static Table Matrix(ReadOnlySpan<byte> body, Tensor input, Signature signature)
    {
        if (signature.Inputs.Any(f => f.Type is FieldType.String or FieldType.Binary))
            throw TaktException.Invalid($"input '{input.Name}' is a matrix, but the model takes text: send one input a feature ({string.Join(", ", signature.Inputs.Select(f => f.Name))})");
        var (rows, features) = (input.Shape[0], input.Shape[1]);
        if (features != signature.Inputs.Count) throw TaktException.Invalid($"input '{input.Name}' has {features} columns; the model takes {signature.Inputs.Count}: {string.Join(", ", signature.Inputs.Select(f => f.Name))}");
        if (rows is < 1 or > MostRows) throw TaktException.Invalid($"input '{input.Name}' has {rows} rows; 1 to {MostRows} are allowed");
        if (!Fits(input.DataType, FieldType.Double)) throw TaktException.Invalid($"input '{input.Name}' has datatype {input.DataType}; a matrix holds numbers");
        var faults = new List<string>();
        var flat = Values(body, input, new Field(input.Name, FieldType.Double), checked((int)(rows * features)), faults);
        if (flat is null) throw new TaktException(TaktError.Invalid, faults);
        return new Table(signature.Inputs.Select((field, f) =>
        {
            var values = new double[rows];
            for (var row = 0; row < rows; row++) values[row] = flat.Numbers[(row * (int)features) + f];
            return Column.Of(field.Name, values);
        }).ToList());
    }

    /// <summary>Of the one input; or row by row of all, where they are of one datatype. A text is the whole body: one row, without a length in front.</summary>
    static Table ValuesAlone(ReadOnlySpan<byte> body, Signature signature)
    {
        var inputs = signature.Inputs;
        if (inputs.Count == 0) throw TaktException.Invalid("the model has no signature, so that a raw body can't be read");
        var dataType = DataType(inputs[0].Type);
        if (inputs.Count > 1 && (dataType == "BYTES" || inputs.Any(f => DataType(f.Type) != dataType)))
            throw TaktException.Invalid($"a raw body ({HeaderLength}: 0) holds one input, or several of one datatype of numbers; this model takes {string.Join(", ", inputs.Select(f => $"{f.Name} ({DataType(f.Type)})"))}: put a JSON header before the values");
        if (dataType == "BYTES")
        {
            if (!System.Text.Unicode.Utf8.IsValid(body)) throw TaktException.Invalid($"the raw body, which is the text of input '{inputs[0].Name}', is no UTF-8");
            return new Table([Column.Of(inputs[0].Name, [System.Text.Encoding.UTF8.GetString(body)])]);
        }
        var row = BinaryTensor.SizeOf(dataType) * inputs.Count;
        if (body.Length % row != 0) throw TaktException.Invalid($"the raw body has {body.Length} bytes; a row of {inputs.Count} {dataType} has {row}");
        var rows = body.Length / row;
        if (rows is < 1 or > MostRows) throw TaktException.Invalid($"the raw body has {rows} rows; 1 to {MostRows} are allowed");
        if (inputs.Count > 1) return Matrix(body, new Tensor("raw_input", dataType, [rows, inputs.Count], 0, body.Length), signature);
        var faults = new List<string>();
        return Values(body, new Tensor(inputs[0].Name, dataType, [rows], 0, body.Length), inputs[0], rows, faults) is { } column ? new Table([column]) : throw new TaktException(TaktError.Invalid, faults);
    }

    /// <summary>Of the one tensor: the length that the model leaves open follows from the bytes; where it leaves open several, there is one of the first, which counts the batch. A text is the whole body.</summary>
    static Models.Tensor ValuesAlone(ReadOnlyMemory<byte> body, TensorModel model)
    {
        if (model.Inputs is not [var field]) throw TaktException.Invalid($"a raw body ({HeaderLength}: 0) holds one input; this model takes {string.Join(", ", model.Inputs.Select(f => f.Name))}: put a JSON header before the values");
        var wanted = $"{Models.Tensor.NameOf(field.Type)} {Models.Tensor.ShapeText(field.Shape)}";
        var shape = field.Shape.ToArray();
        if (field.Type == TensorType.Bytes)
        {
            for (var d = 0; d < shape.Length; d++) shape[d] = shape[d] < 0 ? 1 : shape[d];
            if (Models.Tensor.CountOf(shape) != 1) throw TaktException.Invalid($"a raw body is one text, but input '{field.Name}' is {wanted}: put a JSON header before the values");
            return new(field.Name, field.Type, shape, (byte[])[.. BitConverter.GetBytes(body.Length), .. body.Span]);
        }
        if (shape.Count(n => n < 0) > 1 && shape[0] < 0) shape[0] = 1;
        var open = Array.FindIndex(shape, n => n < 0);
        if (shape.Count(n => n < 0) > 1) throw TaktException.Invalid($"input '{field.Name}' is {wanted}: its shape does not follow from a raw body; put a JSON header before the values");
        if (open >= 0)
        {
            shape[open] = 1;
            var one = Models.Tensor.CountOf(shape) * Models.Tensor.SizeOf(field.Type);
            if (one <= 0 || body.Length == 0 || body.Length % one != 0) throw TaktException.Invalid($"the raw body has {body.Length} bytes; input '{field.Name}' is {wanted}, so that they must be a multiple of {one}");
            shape[open] = body.Length / one;
        }
        var tensor = new Models.Tensor(field.Name, field.Type, shape, body);
        return tensor.DataFault() is { } fault ? throw TaktException.Invalid(fault) : tensor;
    }

    /// <summary>The raw tensors stand behind the JSON in the order of the inputs.</summary>
    void PlaceBinary(int at, int end)
    {
        for (var i = 0; i < _inputs.Count; i++)
        {
            if (_inputs[i].Bytes < 0) continue;
            if (at < 0) throw TaktException.Invalid($"input '{_inputs[i].Name}' has binary_data_size, but the request has no header {HeaderLength}");
            if (_inputs[i].Bytes > end - at) throw TaktException.Invalid($"input '{_inputs[i].Name}' says {_inputs[i].Bytes} bytes; {end - at} are left of the body");
            _inputs[i] = _inputs[i] with { From = at };
            at += _inputs[i].Bytes;
        }
        if (at >= 0 && at != end) throw TaktException.Invalid($"{end - at} bytes follow the last tensor");
    }

    /// <summary>Its values, wherever they stand.</summary>
    static Column? Values(ReadOnlySpan<byte> body, Tensor tensor, Field field, int count, List<string> faults)
    {
        if (tensor.IsContents) return ContentsTensor.Read(body.Slice(tensor.From, tensor.Bytes), tensor, field, count, faults);
        if (tensor.Bytes >= 0) return BinaryTensor.Read(body.Slice(tensor.From, tensor.Bytes), tensor, field, count, faults);
        if (tensor.DataType is not ("FP16" or "BF16")) return TensorReader.Read(body, tensor, field, count, faults);
        faults.Add($"input '{tensor.Name}': {tensor.DataType} has no JSON form; send it as binary data");
        return null;
    }

    /// <summary>A deadline; null for 0, which is none.</summary>
    internal static TimeSpan? Microseconds(long timeout)
    {
        const long Longest = 3_600_000_000;
        if (timeout is < 0 or > Longest) throw TaktException.Invalid("parameters.timeout must be a number of microseconds, an hour at most");
        return timeout == 0 ? null : TimeSpan.FromMicroseconds(timeout);
    }

    /// <param name="milliseconds">Since 1970; or else <paramref name="text"/>.</param>
    internal static DateTimeOffset Time(long? milliseconds, string? text)
    {
        const long Latest = 253402300799999; // 9999-12-31
        if (milliseconds is >= 0 and <= Latest) return DateTimeOffset.FromUnixTimeMilliseconds(milliseconds.Value);
        if (text is not null && DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var time)) return time;
        throw TaktException.Invalid("parameters.event_time must be a time such as 2001-01-22T10:00:00Z, or milliseconds since 1970");
    }

    /// <param name="From">Where its data begins in the body.</param>
    /// <param name="Bytes">How long it is there; -1: it is JSON.</param>
    /// <param name="IsContents">They are a message <c>InferTensorContents</c>, not raw values.</param>
    internal readonly record struct Tensor(string Name, string DataType, long[] Shape, int From, int Bytes = -1, bool IsContents = false);
}
