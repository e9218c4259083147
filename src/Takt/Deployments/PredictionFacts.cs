using System.Globalization;
using Takt.Data;

namespace Takt.Deployments;

/// <summary>One row of a prediction log, as the end of a lineage.</summary>
static class PredictionFacts
{
    /// <summary>A clock may have been set, a request may have taken long; all that it costs is more files.</summary>
    static readonly TimeSpan Margin = TimeSpan.FromHours(1);

    public static async Task<LineageNode?> Find(PredictionLog log, string endpoint, string row, CancellationToken cancel)
    {
        // the id tells when the request came (UUID of version 7); its row is written when it was answered
        var came = DateTimeOffset.FromUnixTimeMilliseconds(long.Parse(row.AsSpan(2, 12), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture));
        using var connection = await log.Open(new LogRange(ReceivedFrom: came - Margin, ReceivedTo: came + Margin), cancel);
        if (connection is null) return null;
        var table = Tables.Query(connection, $"select p.*, (select label from labels where id = {DuckDb.Text(row)}) as label from predictions p where id = {DuckDb.Text(row)} limit 1", cancel);
        if (table.Rows == 0) return null;
        if (table.Find("key") is { } key && !key.IsMissing(0))
        {
            // whether a label by key means this row goes by all that came after it, too
            using var all = await log.Open(new LogRange(ReceivedFrom: came - Margin), cancel);
            if (all is not null) table = Tables.Query(all, $"select p.*, (select label from labels where id = {DuckDb.Text(row)}) as label from predictions p where id = {DuckDb.Text(row)} limit 1", cancel);
        }
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
