using System.Globalization;
using DuckDB.NET.Data;
using Takt.Data;
using Takt.Models;
using Takt.Pipelines;

namespace Takt.Monitors;

/// <summary>
/// Finds what a version's predictions are compared with: what the monitor says; else the profile of its training; else a dataset that its run read; else the first predictions that it answered. So every
/// deployment can be watched: models of MLflow clients, uploaded ONNX, endpoints elsewhere.
/// </summary>
public sealed class Baselines(MonitorTable table, Datasets datasets)
{
    /// <summary>A text with more different values than are counted has no shares that could move: every value is a new one.</summary>
    const long MostTexts = TableProfile.MostTop;

    /// <param name="connection">To the endpoint's prediction log.</param>
    /// <param name="model">As the log names it.</param>
    /// <param name="version">Null: it is elsewhere.</param>
    /// <returns>Null: the predictions that are to be the baseline have not all come.</returns>
    /// <exception cref="TaktException">NotFound: the dataset that the monitor names.</exception>
    public async Task<Baseline?> Find(DuckDBConnection connection, MonitorSpec spec, string model, ModelVersion? version, PackageInfo? info)
    {
        if (spec.Baseline?.Dataset is { } reference)
        {
            var commit = datasets.Log(reference, 1)[0];
            return new Baseline(commit.Reference, await datasets.Profile(commit) ?? throw TaktException.Invalid($"monitor {spec.Name}: {reference} holds no table, so nothing can be compared with it"));
        }
        if (spec.Baseline is null)
        {
            if (info?.Profile.Columns.Count > 0) return new Baseline("training", info.Profile);
            foreach (var read in version?.DatasetCommits ?? [])
                if (await Profile(read) is { } profile && info!.Features.Any(f => profile.Find(f.Name) is not null)) return new Baseline(read, profile);
        }
        return await OfPredictions(connection, spec, model);
    }

    async Task<TableProfile?> Profile(string commit)
    {
        try
        {
            return datasets.Log(commit, 1) is [var found] ? await datasets.Profile(found) : null;
        }
        catch (TaktException)
        {
            return null; // a dataset of another system, or one that is gone
        }
    }

    async Task<Baseline?> OfPredictions(DuckDBConnection connection, MonitorSpec spec, string model)
    {
        var wanted = spec.Baseline ?? new BaselineSpec(null, Math.Max(1, spec.MinRows), null);
        var of = wanted.ToString();
        if (table.Baseline(spec.Name, model, of) is { } known) return known;
        var mine = $"from predictions where error = '' and model_version = {DuckDb.Text(model)}";
        var first = wanted.Predictions is { } most ? $"{mine} order by time, id limit {most}"
            : $"{mine} and time < (select min(time) {mine}) + interval {((long)wanted.Time!.Value.TotalSeconds).ToString(CultureInfo.InvariantCulture)} second";
        var found = Tables.Query(connection, $"select count(*) as rows, coalesce(max(epoch_ms(time)), 0)::bigint as newest from (select time {first})");
        var (rows, newest) = (found["rows"].Integers[0], found["newest"].Integers[0]);
        if (rows == 0 || rows < wanted.Predictions) return null;
        var until = DateTimeOffset.FromUnixTimeMilliseconds(newest + 1);
        if (wanted.Time is { } time)
        {
            var bounds = Tables.Query(connection, $"select min(epoch_ms(time))::bigint as oldest, max(epoch_ms(time))::bigint as newest {mine}");
            until = DateTimeOffset.FromUnixTimeMilliseconds(bounds["oldest"].Integers[0]) + time;
            if (bounds["newest"].Integers[0] < until.ToUnixTimeMilliseconds()) return null; // the time is not over
        }
        DuckDb.Execute(connection, $"create or replace temp view \"takt baseline\" as select columns('^(in|out)_.*') {first}");
        var profile = Profiler.Profile(connection, "\"takt baseline\"");
        var usable = profile.Columns.Where(c => c.Count > 0 && (c.Type != ColumnType.Text || c.Distinct <= MostTexts)).ToList();
        var baseline = new Baseline(of, new TableProfile(profile.Rows, usable), until);
        await table.Keep(spec.Name, model, baseline);
        return baseline;
    }
}
