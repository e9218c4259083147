using Takt.Data;
using Takt.Models;

namespace Takt.ML.Runtimes;

/// <summary>The outputs of a model's signature, and how what it answers becomes them. A signature that says nothing of outputs is learnt from the first answer.</summary>
sealed class SignatureOutputs(IReadOnlyList<Field>? declared)
{
    const string Only = "prediction";

    IReadOnlyList<SignatureField>? _fields = declared?.Select(SignatureField.Of).ToList();

    /// <summary>Until there was an answer one number is assumed.</summary>
    public IReadOnlyList<Field> Fields => _fields?.Select(f => f.Field).ToList() ?? [new Field(Only, FieldType.Double)];

    public void Learn(List<Column> answer)
    {
        if (_fields is not null || answer.Count == 0) return;
        _fields = answer.Select((c, i) => SignatureField.Of(new Field(c.Name.Length > 0 ? c.Name : answer.Count == 1 ? Only : $"{Only}_{i}", c.Type switch
        {
            ColumnType.Boolean => FieldType.Boolean,
            ColumnType.Integer => FieldType.Long,
            ColumnType.Number => FieldType.Double,
            ColumnType.Time => FieldType.Datetime,
            _ => FieldType.String,
        }))).ToList();
    }

    /// <summary>By name where all names are there, else by place.</summary>
    /// <exception cref="TaktException">Invalid: it is not what the signature says.</exception>
    public Table Fit(List<Column> answer, int rows)
    {
        if (rows > 0) Learn(answer);
        var fields = _fields ?? [SignatureField.Of(new Field(Only, FieldType.Double))];
        var byName = fields.All(f => answer.Count(c => c.Name == f.Field.Name) == 1);
        if (!byName && answer.Count != fields.Count)
            throw TaktException.Invalid($"the model answered {answer.Count} columns ({string.Join(", ", answer.Take(20).Select(c => c.Name.Length > 0 ? c.Name : "unnamed"))}); its signature says {string.Join(", ", fields.Take(20).Select(f => f.Field.Name))}");
        var columns = new List<Column>(fields.Count);
        for (var i = 0; i < fields.Count; i++)
        {
            var (field, column) = (fields[i], byName ? answer.First(c => c.Name == fields[i].Field.Name) : answer[i]);
            var fitted = field.Fit(column) ?? throw TaktException.Invalid($"the model answered {column.Type.ToString().ToLowerInvariant()} values for the output '{field.Field.Name}', which is {field.Field.Type.ToString().ToLowerInvariant()} by its signature");
            columns.Add(Column.Over(field.Field.Name, fitted.Type, fitted.Values, rows, fitted.Missing));
        }
        return new Table(columns);
    }
}
