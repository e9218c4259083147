using Microsoft.ML;
using Microsoft.ML.Data;
using Takt.Data;
using Takt.ML.Onnx;
using Takt.ML.Runtimes;
using Takt.Models;

namespace Takt.ML.MlNet;

/// <summary>A pipeline of ML.NET. It is asked for what its outputs need and nothing else: not for the label it was trained with.</summary>
sealed class MlNetModel : ILoadedModel
{
    const int MostFields = 10_000;

    /// <summary>What the usual trainers give; the first that is there is the model's main output.</summary>
    static readonly string[] Usual = ["Probability", "Score", "PredictedLabel"];

    readonly ITransformer _transformer;
    readonly IRowToRowMapper _mapper;
    readonly List<SignatureField> _fields = [];
    readonly List<MlNetOutput> _outputs;
    readonly DataViewSchema _schema;
    readonly int[] _places;

    MlNetModel(ITransformer transformer, DataViewSchema schema, string path)
    {
        (_transformer, _schema) = (transformer, schema);
        if (!transformer.IsRowToRowMapper) throw new TaktException(TaktError.NotSupported, $"{path}: the pipeline does not answer row by row, which an endpoint must");
        _mapper = transformer.GetRowToRowMapper(schema);
        var given = transformer.GetOutputSchema(schema).Where(c => !c.IsHidden).ToList();
        var wanted = Usual.Select(name => given.FindLast(c => c.Name == name)).Where(c => c.Name is not null).ToList();
        if (wanted.Count == 0) wanted = given.Where(c => schema.GetColumnOrNull(c.Name) is null && MlNetOutput.Of(c) is not null).ToList();
        _outputs = wanted.Select(MlNetOutput.Of).OfType<MlNetOutput>().ToList();
        if (_outputs.Count == 0) throw new TaktException(TaktError.NotSupported, $"{path}: the pipeline gives no column that is a number, a text or a vector of numbers; it gives {string.Join(", ", given.Select(c => $"{c.Name} ({c.Type})"))}");
        _places = new int[schema.Count];
        Array.Fill(_places, -1);
        foreach (var column in _mapper.GetDependencies(_outputs.Select(o => o.Column)).OrderBy(c => c.Index))
        {
            _places[column.Index] = _fields.Count;
            if (column.Type is VectorDataViewType { Size: > 0 and <= MostFields and var size, ItemType: var item } && item == NumberDataViewType.Single)
                _fields.AddRange(Enumerable.Range(0, size).Select(i => SignatureField.Of(new Field($"{column.Name}.{i}", FieldType.Float))));
            else if (TypeOf(column.Type) is { } type) _fields.Add(SignatureField.Of(new Field(column.Name, type)));
            else throw new TaktException(TaktError.NotSupported, $"{path}: the pipeline takes '{column.Name}' as {column.Type}, which a row can't give");
        }
        Signature = new(_fields.Select(f => f.Field).ToList(), _outputs.SelectMany(o => o.Fields).ToList());
    }

    public Signature Signature { get; }

    public string Platform => "mlnet_zip";

    public ModelParams? Params { get; private init; }

    /// <exception cref="TaktException">NotFound, Invalid: the file. NotSupported: a pipeline that takes or gives what is no row.</exception>
    public static MlNetModel Load(string path, ModelParams? parameters = null)
    {
        if (!File.Exists(path)) throw TaktException.NotFound($"the model package has no {path}");
        var ml = new MLContext();
        foreach (var type in (Type[])[typeof(Microsoft.ML.Trainers.FastTree.FastTreeBinaryModelParameters), typeof(Microsoft.ML.Trainers.LightGbm.LightGbmBinaryModelParameters), typeof(Microsoft.ML.Trainers.LinearBinaryModelParameters)])
            ml.ComponentCatalog.RegisterAssembly(type.Assembly);
        ITransformer transformer;
        DataViewSchema schema;
        try
        {
            transformer = ml.Model.Load(path, out schema);
        }
        catch (Exception e) when (e is FormatException or InvalidOperationException or InvalidDataException or ArgumentException or System.Reflection.TargetInvocationException or NotSupportedException)
        {
            throw new TaktException(TaktError.Invalid, $"{path} can't be loaded by ML.NET {typeof(MLContext).Assembly.GetName().Version?.ToString(3)}: {(e.InnerException ?? e).Message}", e);
        }
        if (schema is null) throw TaktException.Invalid($"{path} was saved without its input schema; save it by mlContext.Model.Save(model, data.Schema, file)");
        return new MlNetModel(transformer, schema, path) { Params = parameters };
    }

    internal ITransformer Transformer => _transformer;

    /// <summary>All columns that its steps make, also those that a later one of the same name hides.</summary>
    internal IEnumerable<DataViewSchema.Column> Inner => _transformer.GetOutputSchema(_schema).Where(c => c.Index >= _schema.Count);

    /// <summary>The inputs of the signature that a column is made of.</summary>
    internal IEnumerable<int> InputsOf(DataViewSchema.Column column) => _mapper.GetDependencies([column]).SelectMany(c => _places[c.Index] < 0 ? [] : Enumerable.Range(_places[c.Index], c.Type is VectorDataViewType { Size: var size } ? size : 1));

    /// <summary>Some places of a vector that a step makes, for each row.</summary>
    internal float[][] Vectors(string column, Table inputs, int[] places)
    {
        var vector = _transformer.GetOutputSchema(_schema).Last(c => c.Name == column && !c.IsHidden);
        using var from = new TableRow(_schema, _places) { Columns = Fit(inputs) };
        using var to = _mapper.GetRow(from, [vector]);
        var getter = to.GetGetter<VBuffer<float>>(vector);
        VBuffer<float> value = default;
        var rows = new float[inputs.Rows][];
        for (from.Row = 0; from.Row < rows.Length; from.Row++)
        {
            getter(ref value);
            rows[from.Row] = Array.ConvertAll(places, p => value.GetItemOrDefault(p));
        }
        return rows;
    }

    /// <summary>The same pipeline with the same outputs as ONNX.</summary>
    /// <exception cref="TaktException">NotSupported: a step or a column has no such form.</exception>
    internal byte[] ToOnnx()
    {
        if (_outputs.Find(o => o.Column.Type is KeyDataViewType) is { } key) throw MlNetTrees.Not($"whose '{key.Column.Name}' is a key (append MapKeyToValue(\"{key.Column.Name}\"))");
        using var onnx = new MemoryStream();
        try
        {
            new MLContext().Model.ConvertToOnnx(_transformer, new SchemaOnly(_schema), onnx, [.. _outputs.Select(o => o.Column.Name)]);
        }
        catch (Exception e) when (e is InvalidOperationException or NotSupportedException or NotImplementedException or ArgumentException)
        {
            throw new TaktException(TaktError.NotSupported, $"ML.NET can't write the model as ONNX: {e.Message}", e);
        }
        return OnnxOutputs.Keep(onnx.ToArray(), [.. _outputs.Select(o => ($"{o.Column.Name}.output", o.Column.Name))]);
    }

    public Table Predict(Table inputs)
    {
        using var from = new TableRow(_schema, _places) { Columns = Fit(inputs) };
        using var to = _mapper.GetRow(from, _outputs.Select(o => o.Column));
        var readers = _outputs.Select(o => o.Reader(to, inputs.Rows)).ToList();
        for (var row = 0; row < inputs.Rows; row++)
        {
            from.Row = row;
            foreach (var (read, _) in readers) read(row);
        }
        return new Table(readers.SelectMany(r => r.Columns()).ToList());
    }

    Column[] Fit(Table inputs)
    {
        var faults = new List<string>();
        var columns = new Column[_fields.Count];
        for (var i = 0; i < columns.Length; i++)
        {
            columns[i] = _fields[i].Fit(inputs, faults)!;
            if (columns[i] is { Missing: { } missing } whole && whole.Type != ColumnType.Text && missing.AsSpan(0, inputs.Rows).IndexOf(true) is >= 0 and var row)
                faults.Add($"input '{_fields[i].Field.Name}', row {row}: a value is missing, which {_fields[i].Field.Type.ToString().ToLowerInvariant()} inputs of ML.NET can't have");
        }
        return faults.Count > 0 ? throw new TaktException(TaktError.Invalid, faults) : columns;
    }

    public void Dispose() => (_transformer as IDisposable)?.Dispose();

    internal static FieldType? TypeOf(DataViewType type) => type switch
    {
        BooleanDataViewType => FieldType.Boolean,
        TextDataViewType => FieldType.String,
        DateTimeDataViewType => FieldType.Datetime,
        _ when type == NumberDataViewType.Single => FieldType.Float,
        _ when type == NumberDataViewType.Double => FieldType.Double,
        _ when type == NumberDataViewType.Int32 || type == NumberDataViewType.Int16 || type == NumberDataViewType.SByte || type == NumberDataViewType.Byte || type == NumberDataViewType.UInt16 => FieldType.Integer,
        _ when type == NumberDataViewType.Int64 || type == NumberDataViewType.UInt32 || type == NumberDataViewType.UInt64 => FieldType.Long,
        _ => null,
    };
}
