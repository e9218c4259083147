using System.Text.RegularExpressions;
using Takt.Data;
using Takt.Models;
using Takt.Storage;

namespace Takt.Deployments;

/// <summary>
/// Prediction → revision → model version → run and stage → code and data → source, and back again. Nothing is written down for it alone: each edge is read from
/// the rows that the stages of the line keep anyway, so that what a tracking client logged is in it as well. It stays in one workspace; what belongs to the project
/// (datasets, stages, endpoints, predictions) is in <c>default</c>.
/// </summary>
public sealed partial class Lineage(Database database, Datasets datasets, ModelRegistry models, PredictionLogs predictions)
{
    static readonly string[] Kinds = ["source", "data", "code", "stage", "run", "logged-model", "model", "revision", "endpoint", "prediction"];

    /// <param name="reference">
    /// <c>KIND:NAME</c>, such as <c>model:flights@champion</c> or <c>data:flights@main</c>; without the kind where the name alone tells it: the id of a prediction, a run or a logged
    /// model, <c>NAME@ALIAS</c>, or a name that only one thing has.
    /// </param>
    /// <exception cref="TaktException">NotFound. Invalid: the name stands for several things.</exception>
    public async Task<LineageGraph> Of(string reference, LineageDirection direction, Workspace workspace = default, CancellationToken cancel = default)
    {
        var root = await Resolve(reference, workspace, cancel);
        return database.Read(session => new LineageWalk(session, workspace).Follow(root, direction));
    }

    async Task<LineageNode> Resolve(string reference, Workspace workspace, CancellationToken cancel)
    {
        var colon = reference.IndexOf(':');
        if (colon > 0 && Kinds.Contains(reference[..colon])) return await Resolve(reference[..colon], reference[(colon + 1)..], workspace, cancel);
        if (PredictionId().IsMatch(reference)) return await Resolve("prediction", reference, workspace, cancel);
        var found = database.Read(session => new LineageWalk(session, workspace).Named(reference));
        if (models.Find(reference, workspace) is not null) found.Add("model");
        if (workspace.IsDefault && IsData(reference)) found.Add("data");
        return found.Count switch
        {
            1 => await Resolve(found[0], reference, workspace, cancel),
            0 => throw TaktException.NotFound($"nothing here is called '{reference}': give a prediction's id, NAME@ALIAS of a model, NAME@REF of a dataset, a run's id or an endpoint"),
            _ => throw TaktException.Invalid($"'{reference}' is more than one thing; say which: {string.Join(", ", found.Order(StringComparer.Ordinal).Select(kind => $"{kind}:{reference}"))}"),
        };
    }

    bool IsData(string reference)
    {
        try
        {
            _ = datasets.Show(reference);
            return true;
        }
        catch (TaktException)
        {
            return false;
        }
    }

    async Task<LineageNode> Resolve(string kind, string name, Workspace workspace, CancellationToken cancel)
    {
        if (kind == "prediction" && workspace.IsDefault) return await Prediction(name, cancel);
        if (kind == "model") name = models.Resolve(name, workspace).Reference;
        if (kind == "data" && workspace.IsDefault && !database.Read(session => new LineageWalk(session, workspace).IsInput(name))) name = datasets.Show(name).Reference;
        return database.Read(session => new LineageWalk(session, workspace).Node($"{kind}:{name}"))
            ?? throw TaktException.NotFound($"no {kind} '{name}'{(workspace.IsDefault ? "" : $" in workspace '{workspace}'")}");
    }

    /// <summary>Looks into the log of each endpoint: an id does not tell which one answered.</summary>
    async Task<LineageNode> Prediction(string id, CancellationToken cancel)
    {
        if (!PredictionId().IsMatch(id)) throw TaktException.Invalid($"'{id}' is no prediction's id: p- and 32 hex digits, and :ROW behind it for one row of several");
        var row = id.Contains(':', StringComparison.Ordinal) ? id : id + ":0";
        var faults = new List<string>();
        foreach (var endpoint in predictions.Endpoints())
        {
            cancel.ThrowIfCancellationRequested();
            try
            {
                var log = predictions.Of(endpoint);
                await log.Flush();
                if (await PredictionFacts.Find(log, endpoint, row, cancel) is { } node) return node;
            }
            catch (TaktException e) when (e.Error == TaktError.Conflict)
            {
                faults.Add(e.Message);
            }
        }
        if (faults.Count > 0) throw new TaktException(TaktError.Conflict, faults);
        throw TaktException.NotFound($"no prediction '{row}' in the logs of the endpoints; what another server answered in the last seconds is not there yet");
    }

    [GeneratedRegex(@"^p-[0-9a-f]{32}(:\d{1,9})?$")]
    private static partial Regex PredictionId();
}
