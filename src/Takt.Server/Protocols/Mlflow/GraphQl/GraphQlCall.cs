using System.Buffers;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Takt.Server.Protocols.Mlflow.GraphQl;

/// <summary>One query: looked over as a whole, then answered field by field.</summary>
/// <param name="ask">A call of the REST protocol by the name of the root field, with its input: MLflow's JSON, or an error.</param>
sealed class GraphQlCall(GraphQlSchema schema, GraphQlDocument document, JsonElement variables, Func<string, JsonElement, Task<JsonElement>> ask)
{
    /// <summary>Faults that are told.</summary>
    const int MostFaults = 20;

    /// <summary>Experiments and model versions of runs that one query may have looked up.</summary>
    const int MostInner = 2000;

    /// <summary>Bytes of an answer, looked at after each object.</summary>
    const int LargestAnswer = 64 << 20;

    readonly List<string> _faults = [];
    readonly Dictionary<string, JsonElement> _experiments = new(StringComparer.Ordinal);
    GraphQlInput _input = null!;
    ArrayBufferWriter<byte> _bytes = null!;
    int _selections, _inner;

    /// <returns>The object <c>{"data": …, "errors": …}</c>; errors are texts, as MLflow has them.</returns>
    public async Task<ReadOnlyMemory<byte>> Answer(string? operationName)
    {
        _bytes = new ArrayBufferWriter<byte>(4096);
        await using var json = new Utf8JsonWriter(_bytes);
        json.WriteStartObject();
        json.WritePropertyName("data");
        var operation = document.Operations.Count == 1 && string.IsNullOrEmpty(operationName) ? document.Operations[0] : document.Operations.FirstOrDefault(o => o.Name == operationName && o.Name is not null);
        if (operation is null) Fault(string.IsNullOrEmpty(operationName) ? document.Operations.Count == 0 ? "Must provide an operation." : "Must provide operation name if query contains multiple operations." : $"Unknown operation named '{operationName}'.");
        else
        {
            var root = operation.Kind == "query" ? "Query" : "Mutation";
            _input = new GraphQlInput(schema, variables, Fault);
            _input.Declare(operation.Variables);
            Look(root, operation.Selections, 1, []);
            if (_faults.Count == 0) await Root(json, root, operation.Selections);
            else operation = null;
        }
        if (operation is null) json.WriteNullValue();
        json.WritePropertyName("errors");
        if (_faults.Count == 0) json.WriteNullValue();
        else
        {
            json.WriteStartArray();
            foreach (var fault in _faults) json.WriteStringValue(fault);
            json.WriteEndArray();
        }
        json.WriteEndObject();
        await json.FlushAsync();
        return _bytes.WrittenMemory;
    }

    void Fault(string text)
    {
        if (_faults.Count < MostFaults && !_faults.Contains(text)) _faults.Add(text);
    }

    /// <summary>Finds what does not fit the schema. It ends: each field that fragments spread counts.</summary>
    void Look(string type, IReadOnlyList<GraphQlDocument.Selection> selections, int depth, IReadOnlyList<string> within)
    {
        if (depth > GraphQlLimits.Deepest) throw TaktException.Invalid($"Query exceeds maximum depth of {GraphQlLimits.Deepest}");
        var keys = new Dictionary<string, GraphQlDocument.Field>(StringComparer.Ordinal);
        foreach (var selection in selections)
        {
            if (++_selections > GraphQlLimits.MostSelections) throw GraphQlLimits.TooMany();
            foreach (var directive in selection.Directives)
                if (directive.Name is not ("skip" or "include")) Fault($"Unknown directive '@{directive.Name}'.");
                else if (directive.Arguments is not [{ Name: "if" } condition]) Fault($"Directive '@{directive.Name}' argument 'if' of type 'Boolean!' is required, but it was not provided.");
                else _ = _input.Literal(new GraphQlType("Boolean", true), condition.Value);
            switch (selection)
            {
                case GraphQlDocument.Spread spread:
                    if (within.Contains(spread.Name)) Fault($"Cannot spread fragment '{spread.Name}' within itself.");
                    else if (!document.Fragments.TryGetValue(spread.Name, out var fragment)) Fault($"Unknown fragment '{spread.Name}'.");
                    else if (Fits(fragment.On, type)) Look(type, fragment.Selections, depth, [.. within, spread.Name]);
                    break;
                case GraphQlDocument.Inline inline:
                    if (inline.On is null || Fits(inline.On, type)) Look(type, inline.Selections, depth, within);
                    break;
                case GraphQlDocument.Field field:
                    if (keys.TryGetValue(field.Key, out var other) && (other.Name != field.Name || other.Text != field.Text))
                        Fault($"Fields '{field.Key}' conflict because they are not the same. Use different aliases on the fields to fetch both if this was intentional.");
                    keys[field.Key] = field;
                    LookAt(type, field, depth, within);
                    break;
            }
        }
    }

    void LookAt(string type, GraphQlDocument.Field field, int depth, IReadOnlyList<string> within)
    {
        if (field.Name == "__typename") return;
        if (schema.FieldOf(type, field.Name) is not { } known)
        {
            Fault(field.Name is "__schema" or "__type" ? "GraphQL introspection is not supported; the schema is MLflow's." : $"Cannot query field '{field.Name}' on type '{type}'.");
            return;
        }
        foreach (var (name, value) in field.Arguments)
            if (!known.Arguments.TryGetValue(name, out var argument)) Fault($"Unknown argument '{name}' on field '{type}.{field.Name}'.");
            else _ = _input.Literal(argument, value);
        if (schema.IsObject(known.Type.Name))
        {
            if (field.Selections is null) Fault($"Field '{field.Name}' of type '{known.Type}' must have a selection of subfields. Did you mean '{field.Name} {{ ... }}'?");
            else Look(known.Type.Name, field.Selections, depth + 1, within);
        }
        else if (field.Selections is not null) Fault($"Field '{field.Name}' must not have a selection since type '{known.Type}' has no subfields.");
    }

    bool Fits(string on, string type)
    {
        if (!schema.IsObject(on)) Fault($"Unknown type '{on}'.");
        else if (on != type) Fault($"Fragment cannot be spread here as objects of type '{type}' can never be of type '{on}'.");
        return on == type;
    }

    /// <summary>Fields by their key, fragments spread out; those of one key are one field.</summary>
    OrderedDictionary<string, List<GraphQlDocument.Field>> Fields(IEnumerable<GraphQlDocument.Selection> selections)
    {
        var all = new OrderedDictionary<string, List<GraphQlDocument.Field>>(StringComparer.Ordinal);
        Add(selections);
        return all;

        void Add(IEnumerable<GraphQlDocument.Selection> some)
        {
            foreach (var selection in some)
            {
                if (!selection.Directives.All(d => Flag(d.Arguments[0].Value) == (d.Name == "include"))) continue;
                if (selection is GraphQlDocument.Spread spread) Add(document.Fragments[spread.Name].Selections);
                else if (selection is GraphQlDocument.Inline inline) Add(inline.Selections);
                else if (selection is GraphQlDocument.Field field)
                {
                    if (!all.TryGetValue(field.Key, out var same)) all[field.Key] = same = [];
                    same.Add(field);
                }
            }
        }
    }

    bool Flag(GraphQlDocument.Value value) => _input.Literal(new GraphQlType("Boolean", true), value)?.GetValue<bool>() ?? false;

    async Task Root(Utf8JsonWriter json, string type, IReadOnlyList<GraphQlDocument.Selection> selections)
    {
        json.WriteStartObject();
        foreach (var (key, same) in Fields(selections))
        {
            json.WritePropertyName(key);
            if (same[0].Name == "__typename") json.WriteStringValue(type);
            else
            {
                var field = schema.FieldOf(type, same[0].Name)!;
                var (name, argument) = field.Arguments.First();
                var input = same[0].Arguments.FirstOrDefault(a => a.Name == name) is { } given ? _input.Literal(argument, given.Value) : null;
                if (await Ask(field.Name, input) is { } found) await Object(json, field.Type.Name, found, same);
                else json.WriteNullValue();
            }
        }
        json.WriteEndObject();
    }

    /// <returns>Null: it is an error, which is told.</returns>
    async Task<JsonElement?> Ask(string field, JsonNode? input)
    {
        try
        {
            return await ask(field, JsonSerializer.SerializeToElement(input ?? new JsonObject()));
        }
        catch (TaktException e)
        {
            Fault(e.Message);
            return null;
        }
    }

    async Task Object(Utf8JsonWriter json, string type, JsonElement source, IReadOnlyList<GraphQlDocument.Field> same)
    {
        json.WriteStartObject();
        foreach (var (key, fields) in Fields(same.SelectMany(f => f.Selections!)))
        {
            json.WritePropertyName(key);
            var name = fields[0].Name;
            if (name == "__typename") json.WriteStringValue(type);
            else if (type == "MlflowRunExtension" && name is "experiment" or "modelVersions") await OfRun(json, source, name, fields);
            else
            {
                var field = schema.FieldOf(type, name)!;
                await Value(json, field.Type, source.ValueKind == JsonValueKind.Object && source.TryGetProperty(field.Member, out var member) ? member : default, fields);
            }
        }
        json.WriteEndObject();
        if (_bytes.WrittenCount + json.BytesPending > LargestAnswer) throw TaktException.Invalid($"The answer is longer than {LargestAnswer >> 20} MiB; ask for fewer with maxResults, or for fewer fields");
    }

    async Task OfRun(Utf8JsonWriter json, JsonElement run, string name, IReadOnlyList<GraphQlDocument.Field> fields)
    {
        if (++_inner > MostInner) throw TaktException.Invalid($"A query can look up the experiment or the model versions of at most {MostInner} runs; ask for fewer with maxResults");
        var info = run.GetProperty("info");
        var versions = name == "modelVersions";
        var id = info.GetProperty("experiment_id").GetString()!;
        JsonElement? found = !versions && _experiments.TryGetValue(id, out var known) ? known
            : await Ask(versions ? "mlflowSearchModelVersions" : "mlflowGetExperiment", versions ? new JsonObject { ["filter"] = $"run_id='{info.GetProperty("run_id").GetString()}'" } : new JsonObject { ["experiment_id"] = id });
        if (found is not { } answer)
        {
            json.WriteNullValue();
            return;
        }
        if (!versions) _experiments[id] = answer;
        await Value(json, schema.FieldOf("MlflowRunExtension", name)!.Type, answer.TryGetProperty(versions ? "model_versions" : "experiment", out var member) ? member : default, fields);
    }

    /// <summary>What MLflow's JSON leaves out has the value that its protocol gives to it.</summary>
    async Task Value(Utf8JsonWriter json, GraphQlType type, JsonElement value, IReadOnlyList<GraphQlDocument.Field> fields)
    {
        var there = value.ValueKind is not (JsonValueKind.Undefined or JsonValueKind.Null);
        if (type.Item is { } item)
        {
            json.WriteStartArray();
            if (there)
                foreach (var one in value.EnumerateArray()) await Value(json, item, one, fields);
            json.WriteEndArray();
        }
        else if (schema.IsObject(type.Name))
        {
            if (type.Name == "ApiError") json.WriteNullValue();
            else await Object(json, type.Name, value, fields);
        }
        else if (type.Name == "Float")
        {
            if (there && value.ValueKind != JsonValueKind.Number) json.WriteNullValue(); // GraphQL has no NaN
            else json.WriteNumberValue(there ? value.GetDouble() : 0);
        }
        else if (type.Name == "Boolean") json.WriteBooleanValue(there && value.GetBoolean());
        else json.WriteStringValue(!there ? schema.Values(type.Name)?[0] ?? (type.Name == GraphQlSchema.LongString ? "0" : "") : value.ValueKind == JsonValueKind.String ? value.GetString() : value.GetRawText());
    }
}
