using System.Text.Json;
using Takt.Data;
using Takt.Models;
using Takt.ML.Python;

namespace Takt.ML.Runtimes;

/// <summary>Answers with Python processes: MLflow's <c>python_function</c>, or a <c>predict.py</c> of the user's own.</summary>
/// <param name="python">The interpreter where a deployment names none; null: <c>python3</c>.</param>
public sealed class PythonRuntime(string? python = null) : IModelRuntime
{
    public string Flavor => PythonModel.Flavor;

    public ILoadedModel Load(string folder) => Load(folder, RuntimeSettings.Default);

    public ILoadedModel Load(string folder, RuntimeSettings settings)
    {
        var package = ModelPackage.Open(folder);
        var model = package.Python ?? throw TaktException.Invalid($"{folder} is no Python model");
        var fields = package.Info.Signature.Inputs.Select(SignatureField.Of).ToList();
        var limits = PythonLimits.Of(settings);
        var outputs = new SignatureOutputs(model.OutputsAreKnown ? package.Info.Signature.Outputs : null);
        var start = new PythonStart(settings.Python ?? python ?? "python3", Path.GetFullPath(folder), Message(package, model, limits));
        return new Model(PythonPool.Start(start, limits, fields, outputs, Blank(fields)), fields, outputs, package.Params);
    }

    static byte[] Message(ModelPackage package, PythonModel model, PythonLimits limits)
    {
        using var body = new MemoryStream();
        using (var json = new Utf8JsonWriter(body))
        {
            json.WriteStartObject();
            json.WriteString("folder", Path.GetFullPath(package.Folder));
            if (model.Script is { } script) json.WriteString("script", script);
            if (model.Pickle is { } pickle) json.WriteString("pickle", pickle);
            if (model.Matrix is { } matrix) json.WriteString("matrix", matrix);
            if (model.Example is { } example) json.WriteString("example", example);
            json.WriteString("method", model.Method);
            if (package.Params is { } parameters)
            {
                json.WritePropertyName("params");
                json.WriteRawValue(parameters.Enforce(null));
            }
            // the watch replaces a worker that holds too much; this stops one that asks for far too much at once
            json.WriteNumber("memory", limits.Memory + (limits.Memory / 4) + (256L << 20));
            json.WriteStartArray("code");
            foreach (var path in model.Code) json.WriteStringValue(path);
            json.WriteEndArray();
            json.WriteStartObject("fields");
            foreach (var field in package.Info.Signature.Inputs) json.WriteString(field.Name, field.Type.ToString().ToLowerInvariant());
            json.WriteEndObject();
            json.WriteEndObject();
        }
        return body.ToArray();
    }

    /// <summary>One row of zeros and empty texts: many models refuse missing values.</summary>
    static PythonCall Blank(List<SignatureField> fields) => new([.. fields.Select(f => f.Wire switch
    {
        ColumnType.Boolean => Column.Of(f.Field.Name, new bool[1]),
        ColumnType.Number => Column.Of(f.Field.Name, new double[1]),
        ColumnType.Text => Column.Of(f.Field.Name, [""]),
        _ => Column.Over(f.Field.Name, f.Wire, new long[1], 1),
    })], 1);

    internal sealed class Model(PythonPool pool, List<SignatureField> fields, SignatureOutputs outputs, ModelParams? parameters) : ILoadedModel
    {
        public Signature Signature { get; } = new(fields.Select(f => f.Field).ToList(), outputs.Fields);

        public PythonPool Pool => pool;

        public ModelParams? Params => parameters;

        public bool IsWarm => true;

        public int Inside => pool.Inside;

        public string? Unready => pool.Unready;

        public string Platform => "python_function";

        public Table Predict(Table inputs) => Answer(inputs, default).AsTask().GetAwaiter().GetResult();

        public ValueTask<Table> Answer(Table inputs, CancellationToken cancel) => Answer(inputs, null, cancel);

        public ValueTask<Table> Answer(Table inputs, string? given, CancellationToken cancel)
        {
            var faults = new List<string>();
            var columns = new Column[fields.Count];
            for (var i = 0; i < columns.Length; i++) columns[i] = fields[i].Fit(inputs, faults)!;
            if (faults.Count > 0) throw new TaktException(TaktError.Invalid, faults);
            if (inputs.Rows == 0) return new(outputs.Fit([.. Signature.Outputs.Select(f => Column.Of(f.Name, Array.Empty<double>()))], 0));
            return pool.Ask(columns, inputs.Rows, cancel, given);
        }

        public void Dispose() => pool.Dispose();
    }
}
