using System.Globalization;
using Takt.Data;
using Takt.Evaluation;

namespace Takt.Deployments;

/// <summary>
/// Pairs of what only the prediction log knows: outputs, and losses against labels that come later. Reads the log now and then; each prediction counts once, labels when
/// they are there.
/// </summary>
/// <remarks>A new process reads it all again and replaces the row that the one before has left. One caller at a time.</remarks>
sealed class LoggedPairs(Rollout rollout, PredictionLog log)
{
    /// <summary>Predictions of one rollout that are looked at, at most: so many pairs tell all that there is to tell.</summary>
    const int MostRows = 500_000;

    readonly Dictionary<string, HashSet<string>> _seen = new(StringComparer.Ordinal);
    readonly Dictionary<string, (Queue<double> Challenger, Queue<double> Champion)> _alone = new(StringComparer.Ordinal);
    readonly Random _random = new(rollout.Number);

    public StepFigures Figures { get; } = new();

    public DateTimeOffset? ReadAt { get; set; }

    public bool IsOf(Rollout other) => rollout.Number == other.Number && rollout.JudgedFrom == other.JudgedFrom;

    public async Task Read(AnalysisSpec analysis, int challenger, int champion, double share)
    {
        await log.Flush();
        using var connection = await log.Open(new LogRange(ReceivedFrom: rollout.JudgedFrom ?? rollout.CreatedAt));
        if (connection is null) return;
        var columns = Tables.Schema(connection, "predictions").ToDictionary(c => c.Name, c => c.Type, StringComparer.Ordinal);
        var output = columns.FirstOrDefault(c => c.Key.StartsWith("out_", StringComparison.Ordinal) && c.Value is ColumnType.Number or ColumnType.Integer or ColumnType.Boolean).Key;
        if (output is null) return;
        var from = $"timestamp {DuckDb.Text((rollout.JudgedFrom ?? rollout.CreatedAt).UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss.ffffff", CultureInfo.InvariantCulture))}";
        var name = DuckDb.Name(output);
        if (share > 0)
        {
            var rows = Tables.Query(connection, $"""
                select p.id, p.revision, {name}::double as score, l.label from predictions p left join labels l using (id)
                where p.error = '' and p.received >= {from} and p.revision in ({challenger}, {champion}) and {name} is not null order by p.received, p.id limit {MostRows}
                """);
            var blocks = share < 1 ? (1 - share) / share : 1;
            if (analysis.Score is not null) Pair(AnalysisSpec.OfScore, rows, challenger, blocks, (score, _) => Shadow.Scaled(score, analysis.Scale));
            if (analysis.Label is not null) Pair(AnalysisSpec.OfLabel, rows, challenger, blocks, (score, label) => Loss(analysis, score, label));
        }
        if (analysis.Label is null || !Tables.Schema(connection, "shadows").Any(c => c.Name == output)) return;
        var copies = Tables.Query(connection, $"""
            select s.id, s.{name}::double as own, p.{name}::double as score, l.label from shadows s join predictions p using (id) join labels l using (id)
            where s.error = '' and p.error = '' and s.received >= {from} and s.revision = {challenger} and s.{name} is not null and p.{name} is not null order by s.received, s.id limit {MostRows}
            """);
        var seen = Seen("shadows");
        for (var row = 0; row < copies.Rows; row++)
        {
            var (own, score, label) = (copies["own"].Numbers[row], copies["score"].Numbers[row], copies["label"].Numbers[row]);
            if (!double.IsFinite(own + score + label) || !seen.Add(copies["id"].Texts[row]!)) continue;
            Figures.Of(AnalysisSpec.OfLabel).Add(Loss(analysis, own, label) - Loss(analysis, score, label), _random.NextDouble());
        }
    }

    static double Loss(AnalysisSpec analysis, double score, double label)
    {
        var error = Math.Abs(score - label) / analysis.Scale;
        return Math.Min(1, analysis.AbsoluteLoss ? error : error * error);
    }

    void Pair(string metric, Table rows, int challenger, double blocks, Func<double, double, double> value)
    {
        var seen = Seen(metric);
        if (!_alone.TryGetValue(metric, out var alone)) _alone[metric] = alone = ([], []);
        var (a, b) = blocks >= 1 ? (1, (int)Math.Min(Math.Round(blocks), 32)) : ((int)Math.Min(Math.Round(1 / blocks), 32), 1);
        var labelled = metric == AnalysisSpec.OfLabel;
        for (var row = 0; row < rows.Rows; row++)
        {
            var (score, label) = (rows["score"].Numbers[row], rows["label"].IsMissing(row) ? double.NaN : rows["label"].Numbers[row]);
            if (!double.IsFinite(score) || (labelled && !double.IsFinite(label)) || !seen.Add(rows["id"].Texts[row]!)) continue;
            (rows["revision"].Integers[row] == challenger ? alone.Challenger : alone.Champion).Enqueue(value(score, label));
            while (alone.Challenger.Count >= a && alone.Champion.Count >= b) Figures.Of(metric).Add(Mean(alone.Challenger, a) - Mean(alone.Champion, b), _random.NextDouble());
        }

        static double Mean(Queue<double> values, int count)
        {
            var sum = 0.0;
            for (var i = 0; i < count; i++) sum += values.Dequeue();
            return sum / count;
        }
    }

    HashSet<string> Seen(string metric)
    {
        if (!_seen.TryGetValue(metric, out var seen)) _seen[metric] = seen = new(StringComparer.Ordinal);
        return seen;
    }
}
