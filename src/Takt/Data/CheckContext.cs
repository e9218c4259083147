namespace Takt.Data;

/// <summary>What a check compares with: other versions' files and profiles.</summary>
public sealed record CheckContext
{
    public static readonly CheckContext None = new();

    /// <summary>The dataset's name, under which SQL can read it beside <c>data</c>; null: it has none.</summary>
    public string? Dataset { get; init; }

    /// <summary>What counts as now for freshness.</summary>
    public DateTimeOffset Now { get; init; } = TimeProvider.System.GetUtcNow();

    /// <summary>Reference → its data files.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<string>> Files { get; init; } = new Dictionary<string, IReadOnlyList<string>>();

    /// <summary>Reference → its profile.</summary>
    public IReadOnlyDictionary<string, TableProfile> Profiles { get; init; } = new Dictionary<string, TableProfile>();

    /// <summary>The profile of the version before; null: there is none.</summary>
    public TableProfile? Previous { get; init; }

    /// <summary>Profiles of the versions before, the newest first.</summary>
    public IReadOnlyList<TableProfile> History { get; init; } = [];

    /// <summary>Brings together what the expectations compare with.</summary>
    /// <param name="before">The version before the one that is checked; null: there is none.</param>
    /// <param name="folder">Where files of other versions are put; the caller removes it.</param>
    /// <exception cref="TaktException">NotFound: a dataset or version that an expectation names is not there.</exception>
    public static async Task<CheckContext> Load(Datasets datasets, Expectations expect, string dataset, DatasetCommit? before, string folder, DateTimeOffset now, CancellationToken cancel)
    {
        var files = new Dictionary<string, IReadOnlyList<string>>();
        var profiles = new Dictionary<string, TableProfile>();
        foreach (var reference in expect.Files)
        {
            if (Of(reference) is not { } commit) continue;
            var there = Path.Combine(folder, $"{files.Count}");
            await datasets.Export(commit, there, DuckDb.CanRead, cancel);
            files[reference] = Tables.Expand([there]).Select(Path.GetFullPath).ToList();
        }
        foreach (var reference in expect.Profiles)
            if (Of(reference) is { } commit && await datasets.Profile(commit, cancel) is { } profile) profiles[reference] = profile;
        var history = new List<TableProfile>();
        if (before is not null && expect.History > 0)
            foreach (var commit in datasets.Log($"{dataset}@{before.Id}", expect.History))
                if (await datasets.Profile(commit, cancel) is { } profile) history.Add(profile);
        return new CheckContext
        {
            Dataset = dataset,
            Now = now,
            Files = files,
            Profiles = profiles,
            Previous = before is null ? null : await datasets.Profile(before, cancel),
            History = history,
        };

        DatasetCommit? Of(string reference) => reference == DriftBound.Previous ? before : datasets.Show(reference);
    }
}
