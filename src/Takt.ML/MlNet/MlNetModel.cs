using Microsoft.ML;
using Microsoft.ML.Data;
using Takt.Data;
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

    /// <exception cref="TaktException">NotFound, Invalid: the file. NotSupported: a pipeline that takes or gives what is no row.</exception>
    public static MlNetModel Load(string path)
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
        return new MlNetModel(transformer, schema, path);
    }

    public Table Predict(Table inputs)
    {
        var faults = new List<string>();
        var columns = new Column[_fields.Count];
        for (var i = 0; i < columns.Length; i++)
        {
            columns[i] = _fields[i].Fit(inputs, faults)!;
            if (columns[i] is { Missing: { } missing } whole && whole.Type != ColumnType.Text && missing.AsSpan(0, inputs.Rows).IndexOf(true) is >= 0 and var row)
                faults.Add($"input '{_fields[i].Field.Name}', row {row}: a value is missing, which {_fields[i].Field.Type.ToString().ToLowerInvariant()} inputs of ML.NET can't have");
        }
        if (faults.Count > 0) throw new TaktException(TaktError.Invalid, faults);
        using var from = new TableRow(_schema, _places) { Columns = columns };
        using var to = _mapper.GetRow(from, _outputs.Select(o => o.Column));
        var readers = _outputs.Select(o => o.Reader(to, inputs.Rows)).ToList();
        for (var row = 0; row < inputs.Rows; row++)
        {
            from.Row = row;
            foreach (var (read, _) in readers) read(row);
        }
        return new Table(readers.SelectMany(r => r.Columns()).ToList());
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
