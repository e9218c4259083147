using System.Globalization;
using Takt.Data;
using Takt.Evaluation;
using Takt.Models;

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

    const string SaidClass = "out_" + PackageInfo.ClassOutput;

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
        // of a model that says classes: the probability of what it says, and 1 where that is wrong
        var probabilities = columns.TryGetValue(SaidClass, out var said) && said == ColumnType.Text ? columns.Keys.Where(c => c.StartsWith("out_" + PackageInfo.ProbabilityOf(""), StringComparison.Ordinal)).ToList() : [];
        var output = columns.FirstOrDefault(c => c.Key.StartsWith("out_", StringComparison.Ordinal) && c.Value is ColumnType.Number or ColumnType.Integer or ColumnType.Boolean).Key;
        if (output is null) return;
        var from = $"timestamp {DuckDb.Text((rollout.JudgedFrom ?? rollout.CreatedAt).UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss.ffffff", CultureInfo.InvariantCulture))}";
        string Score(string of) => probabilities.Count == 0 ? $"{of}.{DuckDb.Name(output)}::double" : $"greatest({string.Join(", ", probabilities.Select(p => $"{of}.{DuckDb.Name(p)}"))})::double";
        string Error(string of) => probabilities.Count == 0 ? $"{Score(of)} - try_cast(l.label as double)"
            : $"case when l.label is null then null when l.label::varchar = {of}.{SaidClass} or try_cast(l.label as double) = try_cast({of}.{SaidClass} as double) then 0.0 else 1.0 end::double";
        if (share > 0)
        {
            var rows = Tables.Query(connection, $"""
                select p.id, p.revision, {Score("p")} as score, {Error("p")} as error from predictions p left join labels l using (id)
                where p.error = '' and p.received >= {from} and p.revision in ({challenger}, {champion}) and {Score("p")} is not null order by p.received, p.id limit {MostRows}
                """);
            var blocks = share < 1 ? (1 - share) / share : 1;
            if (analysis.Score is not null) Pair(AnalysisSpec.OfScore, rows, challenger, blocks, (score, _) => Shadow.Scaled(score, analysis.Scale));
            if (analysis.Label is not null) Pair(AnalysisSpec.OfLabel, rows, challenger, blocks, (_, error) => Loss(analysis, error));
        }
        if (analysis.Label is null || !Tables.Schema(connection, "shadows").Any(c => c.Name == output)) return;
        var copies = Tables.Query(connection, $"""
            select s.id, {Error("s")} as own, {Error("p")} as error from shadows s join predictions p using (id) join labels l using (id)
            where s.error = '' and p.error = '' and s.received >= {from} and s.revision = {challenger} and {Score("s")} is not null and {Score("p")} is not null order by s.received, s.id limit {MostRows}
            """);
        var seen = Seen("shadows");
        for (var row = 0; row < copies.Rows; row++)
        {
            var (own, error) = (copies["own"].NumberAt(row), copies["error"].NumberAt(row));
            if (!double.IsFinite(own + error) || !seen.Add(copies["id"].Texts[row]!)) continue;
            Figures.Of(AnalysisSpec.OfLabel).Add(Loss(analysis, own) - Loss(analysis, error), _random.NextDouble());
        }
    }

    static double Loss(AnalysisSpec analysis, double error)
    {
        var scaled = Math.Abs(error) / analysis.Scale;
        return Math.Min(1, analysis.AbsoluteLoss ? scaled : scaled * scaled);
    }

    void Pair(string metric, Table rows, int challenger, double blocks, Func<double, double, double> value)
    {
        var seen = Seen(metric);
        if (!_alone.TryGetValue(metric, out var alone)) _alone[metric] = alone = ([], []);
        var (a, b) = blocks >= 1 ? (1, (int)Math.Min(Math.Round(blocks), 32)) : ((int)Math.Min(Math.Round(1 / blocks), 32), 1);
        var labelled = metric == AnalysisSpec.OfLabel;
        for (var row = 0; row < rows.Rows; row++)
        {
            var (score, error) = (rows["score"].NumberAt(row), rows["error"].NumberAt(row));
            if (!double.IsFinite(score) || (labelled && !double.IsFinite(error)) || !seen.Add(rows["id"].Texts[row]!)) continue;
            (rows["revision"].Integers[row] == challenger ? alone.Challenger : alone.Champion).Enqueue(value(score, error));
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
