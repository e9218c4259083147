using System.Text.Json;
using Takt.Models.Import;
using Takt.Runs;
using Takt.Runs.Import;

namespace Takt.Server.Protocols.Mlflow.Import;

/// <summary>What an import reads: a server by its API, or the folder of a file store.</summary>
interface IMlflowSource : IDisposable
{
    /// <summary>By which it is known again; without a password.</summary>
    string Name { get; }

    /// <summary>Runs that are copied at once.</summary>
    int AtOnce { get; }

    /// <summary>Also the deleted ones.</summary>
    IAsyncEnumerable<ImportedExperiment> Experiments(CancellationToken cancel);

    /// <summary>Also the deleted ones.</summary>
    IAsyncEnumerable<ImportedRun> Runs(ImportedExperiment experiment, CancellationToken cancel);

    Task<List<MetricValue>> Points(ImportedExperiment experiment, ImportedRun run, string metric, CancellationToken cancel);

    /// <returns>Null: they are elsewhere, and can't be read through the source.</returns>
    IAsyncEnumerable<ImportedFile>? Artifacts(ImportedExperiment experiment, ImportedRun run, CancellationToken cancel);

    IAsyncEnumerable<ImportedLoggedModel> LoggedModels(ImportedExperiment experiment, CancellationToken cancel);

    /// <inheritdoc cref="Artifacts(ImportedExperiment, ImportedRun, CancellationToken)"/>
    IAsyncEnumerable<ImportedFile>? Artifacts(ImportedExperiment experiment, ImportedLoggedModel model, CancellationToken cancel);

    /// <summary>With their assessments; those that are deleted are gone there too.</summary>
    IAsyncEnumerable<ImportedTrace> Traces(ImportedExperiment experiment, CancellationToken cancel);

    /// <summary>Ids of traces of the experiment that were linked to a run which did not make them.</summary>
    IAsyncEnumerable<string> Linked(ImportedExperiment experiment, string run, CancellationToken cancel);

    /// <returns>MLflow's JSON of them; null: they can't be read through the source.</returns>
    Task<JsonElement?> Spans(ImportedExperiment experiment, ImportedTrace trace, CancellationToken cancel);

    /// <summary>Registered models, prompts among them.</summary>
    IAsyncEnumerable<ImportedModel> Models(CancellationToken cancel);
}
