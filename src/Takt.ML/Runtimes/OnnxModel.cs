using Takt.Data;
using Takt.ML.LightGbm;
using Takt.Models;

namespace Takt.ML.Runtimes;

/// <summary>An ONNX model that answers tensors and, when it is tabular, rows.</summary>
/// <remarks>
/// Tabular: its only input is a matrix of rows × features, or each input is one value a row; and its outputs have a row of at most <see cref="Widest"/> values per row.
/// What the outputs are is seen by asking it two rows, since many models don't declare it.
/// </remarks>
sealed class OnnxModel : ILoadedModel
{
    const int Widest = 32;

    readonly OnnxSession _session;
    readonly FeatureMatrix? _matrix;
    readonly (string Output, int Width)[] _outputs = [];
    readonly TensorBatches? _batches;

    /// <param name="settings">With rows of a batch: requests that wait are merged; there is no short way then.</param>
    public OnnxModel(OnnxSession session, PackageInfo info, RuntimeSettings settings)
    {
        _session = session;
        Signature = new Signature([], []);
        var known = Features(session, info);
        _batches = settings.BatchRows > 1 ? new TensorBatches(session, settings.BatchRows.Value, settings.BatchDelay ?? TimeSpan.Zero, session.Dispose) : null;
        Tensors = _batches is null ? session : new Batched(session, _batches);
        if (known is not { } features) return;
        IReadOnlyList<Tensor> probe;
        try
        {
            probe = session.Run(Blank(session.Inputs, features.Count), []);
        }
        catch (TaktException)
        {
            return; // zeros are no rows to this model: tensors only
        }
        var outputs = probe.Where(t => t.Shape is [2] || (t.Shape is [2, var width] && width is >= 1 and <= Widest)).ToList();
        if (outputs.Count == 0) return;
        _outputs = outputs.Select(t => (t.Name, t.Shape is [_, var width] ? (int)width : 1)).ToArray();
        if (session.Inputs is [{ Shape: [_, _] }]) _matrix = new FeatureMatrix(features);
        Signature = new Signature(features.Select(f => new Field(f.Name, f.Type)).ToList(),
            outputs.SelectMany((t, i) => _outputs[i].Width == 1 ? [new Field(t.Name, TypeOf(t.Type))] : Enumerable.Range(0, _outputs[i].Width).Select(c => new Field($"{t.Name}.{c}", TypeOf(t.Type)))).ToList());
        if (_batches is null && _matrix is not null && Signature.Outputs is [{ Type: not FieldType.String } only] && Columns.IsNumber(session.Inputs[0].Type)) Rows = new Scorer(this, features, only);
    }

    public Signature Signature { get; }

    public string Platform => "onnxruntime_onnx";

    public TensorModel Tensors { get; }

    public int Inside => _batches?.Inside ?? 0;

    public RowScorer? Rows { get; }

    public ModelParams? Params { get; init; }

    public Table Predict(Table inputs)
    {
        if (Signature.Inputs.Count == 0) throw TaktException.Invalid("the model takes tensors, not rows");
        return Answers(_session.Run(Asked(inputs), Wanted), inputs.Rows);
    }

    public ValueTask<Table> Answer(Table inputs, CancellationToken cancel) => _batches is null || Signature.Inputs.Count == 0 ? new(Predict(inputs)) : Together(inputs, cancel);

    async ValueTask<Table> Together(Table inputs, CancellationToken cancel) => Answers(await _batches!.Ask(Asked(inputs), Wanted, cancel), inputs.Rows);

    IReadOnlyList<Tensor> Asked(Table inputs) => _matrix is null ? Singles(inputs) : [Matrix(inputs)];

    string[] Wanted => [.. _outputs.Select(o => o.Output)];

    public void Dispose()
    {
        if (_batches is null) _session.Dispose();
        else _batches.Dispose(); // its last thread gives back the session
    }

    /// <summary>The columns that it takes; null: it is not tabular.</summary>
    static List<Feature>? Features(OnnxSession session, PackageInfo info)
    {
        if (session.Inputs is [{ Shape: [< 0, var width] } matrix] && (width != 1 || info.Features.Count == 1))
        {
            if (!Columns.IsNumber(matrix.Type) && matrix.Type is not TensorType.Bool) return null;
            if (info.Features.Count > 0 && (width < 0 || width == info.Features.Count)) return [.. info.Features];
            if (info.Features.Count > 0) throw TaktException.Invalid($"the signature has {info.Features.Count} inputs, the model's matrix '{matrix.Name}' has {width} columns");
            return width is > 0 and <= 10_000 ? Enumerable.Range(0, (int)width).Select(i => new Feature($"{matrix.Name}.{i}", TypeOf(matrix.Type))).ToList() : null;
        }
        if (session.Inputs.Count == 0 || !session.Inputs.All(f => f.Shape is [< 0] or [< 0, 1])) return null;
        return session.Inputs.Select(f => info.Features.FirstOrDefault(known => known.Name == f.Name) ?? new Feature(f.Name, TypeOf(f.Type))).ToList();
    }

    /// <summary>Two rows of zeros.</summary>
    static List<Tensor> Blank(IReadOnlyList<TensorField> inputs, int features) => [.. inputs.Select(f =>
    {
        long[] shape = f.Shape.Count == 1 ? [2] : [2, f.Shape[1] < 0 ? features : f.Shape[1]];
        return new Tensor(f.Name, f.Type, shape, new byte[Tensor.CountOf(shape) * (f.Type == TensorType.Bytes ? 4 : Tensor.SizeOf(f.Type))]);
    })];

    Tensor Matrix(Table inputs)
    {
        var field = _session.Inputs[0];
        var values = new double[checked(inputs.Rows * _matrix!.Columns)];
        _matrix.Fill(inputs, values);
        return new Tensor(field.Name, field.Type, [inputs.Rows, _matrix.Columns], Columns.Bytes(field.Name, field.Type, values));
    }

    /// <summary>A tensor of one value a row for each input.</summary>
    List<Tensor> Singles(Table inputs)
    {
        var faults = new List<string>();
        var tensors = new List<Tensor>();
        foreach (var field in _session.Inputs)
        {
            if (inputs.Find(field.Name) is not { } column) faults.Add($"input '{field.Name}' is missing");
            else if (field.Type != TensorType.Bytes && column.Type == ColumnType.Text) faults.Add($"input '{field.Name}' must be {Tensor.NameOf(field.Type)}, not text");
            else tensors.Add(new Tensor(field.Name, field.Type, field.Shape.Count == 1 ? [inputs.Rows] : [inputs.Rows, 1], Columns.Bytes(column, field.Type, faults)));
        }
        return faults.Count == 0 ? tensors : throw new TaktException(TaktError.Invalid, faults);
    }

    Table Answers(IReadOnlyList<Tensor> given, int rows)
    {
        var columns = new List<Column>();
        for (var o = 0; o < _outputs.Length; o++)
        {
            var (name, width) = _outputs[o];
            var tensor = given.First(t => t.Name == name);
            if (tensor.Count != (long)rows * width) throw TaktException.Invalid($"output '{name}' has shape {Tensor.ShapeText(tensor.Shape)} for {rows} rows; {width} values a row were expected");
            for (var i = 0; i < width; i++) columns.Add(TensorColumn.Of(width == 1 ? name : $"{name}.{i}", tensor, rows, width, i));
        }
        return new Table(columns);
    }

    static FieldType TypeOf(TensorType type) => type switch
    {
        TensorType.Bool => FieldType.Boolean,
        TensorType.Fp64 => FieldType.Double,
        TensorType.Fp16 or TensorType.Bf16 or TensorType.Fp32 => FieldType.Float,
        TensorType.Bytes => FieldType.String,
        TensorType.Uint64 => FieldType.Double,
        TensorType.Uint32 or TensorType.Int64 => FieldType.Long,
        _ => FieldType.Integer,
    };

    /// <summary>The same tensors, where requests are merged.</summary>
    sealed class Batched(OnnxSession session, TensorBatches batches) : TensorModel(session.Inputs, session.Outputs)
    {
        public override IReadOnlyList<Tensor> Run(IReadOnlyList<Tensor> inputs, IReadOnlyCollection<string> outputs) => session.Run(inputs, outputs);

        public override ValueTask<IReadOnlyList<Tensor>> Answer(IReadOnlyList<Tensor> inputs, IReadOnlyCollection<string> outputs, CancellationToken cancel) => batches.Ask(inputs, outputs, cancel);
    }

    /// <summary>The short way: rows of numbers in, one number each out.</summary>
    sealed class Scorer(OnnxModel model, IReadOnlyList<Feature> features, Field output) : RowScorer(features, output)
    {
        public override void Score(ReadOnlySpan<double> matrix, int rows, Span<double> scores)
        {
            var field = model._session.Inputs[0];
            var input = new Tensor(field.Name, field.Type, [rows, Features.Count], Columns.Bytes(field.Name, field.Type, matrix));
            var column = TensorColumn.Of(Output.Name, model._session.Run([input], [Output.Name])[0], rows, 1, 0);
            for (var row = 0; row < rows; row++) scores[row] = column.NumberAt(row);
        }
    }
}
