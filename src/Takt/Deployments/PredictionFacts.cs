using Takt.Data;

namespace Takt.Deployments;

/// <summary>One row of a prediction log, as the end of a lineage.</summary>
static class PredictionFacts
{
    public static LineageNode? Find(PredictionLog log, string endpoint, string row)
    {
        using var connection = log.Open();
        if (connection is null) return null;
        var table = Tables.Query(connection, $"select p.*, (select label from labels where id = {DuckDb.Text(row)}) as label from predictions p where id = {DuckDb.Text(row)} limit 1");
        if (table.Rows == 0) return null;
        var facts = new Dictionary<string, string>(StringComparer.Ordinal) { ["endpoint"] = endpoint };
        DateTimeOffset? received = null;
        foreach (var column in table.Columns)
        {
            if (column.Name == "id" || column.IsMissing(0)) continue;
            if (column.Name == "received") received = DateTimeOffset.UnixEpoch.AddTicks(column.Integers[0] * 10);
            if (column.TextAt(0) is { Length: > 0 } text) facts[column.Name] = text;
        }
        var answer = string.Join(", ", facts.Where(f => f.Key.StartsWith("out_", StringComparison.Ordinal)).Take(3).Select(f => $"{f.Key[4..]} {f.Value}"));
        var error = facts.GetValueOrDefault("error");
        return new LineageNode("prediction:" + row, "prediction", row, string.IsNullOrEmpty(error) ? answer : "failed: " + error, 0, received, facts);
    }
}
