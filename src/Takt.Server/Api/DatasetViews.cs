using Takt.Data;

namespace Takt.Server.Api;

/// <param name="Time">ISO 8601, UTC.</param>
/// <param name="Bytes">Of all files.</param>
/// <param name="Dropped">When garbage collection gave its files free; null: they are kept.</param>
sealed record CommitView(string Id, string Tree, IReadOnlyList<string> Parents, string Author, DateTimeOffset Time, string Message, string Source, long Files, long Bytes, long? Rows, DateTimeOffset? Dropped)
{
    public static CommitView Of(DatasetCommit commit) => new(commit.Id.ToString(), commit.Tree.ToString(), commit.Parents.Select(parent => parent.ToString()).ToList(),
        commit.Author, commit.Time, commit.Message, commit.Source, commit.Files, commit.Bytes, commit.Rows, commit.Dropped);
}

sealed record DatasetView(string Name, CommitView Tip, IReadOnlyDictionary<string, string> Refs, int Commits)
{
    public static DatasetView Of(DatasetSummary dataset) =>
        new(dataset.Name, CommitView.Of(dataset.Tip), dataset.Refs.ToDictionary(r => r.Name, r => r.Target.ToString()), dataset.Commits);
}

sealed record FileView(string Path, string Digest, long Size);

/// <param name="Files">The first 1,000 by path; <see cref="CommitView.Files"/> has the count.</param>
sealed record VersionView(string Dataset, CommitView Commit, IReadOnlyList<FileView> Files, TableProfile? Profile)
{
    const int MostFiles = 1000;

    public static async Task<VersionView> Of(Datasets datasets, DatasetCommit commit, CancellationToken cancel) => new(commit.Dataset, CommitView.Of(commit),
        await datasets.Files(commit, cancel).Take(MostFiles).Select(file => new FileView(file.Path, file.Digest.ToString(), file.Size)).ToListAsync(cancel),
        await datasets.Profile(commit, cancel));
}

sealed record DatasetList(IReadOnlyList<DatasetView> Datasets);

sealed record CommitList(IReadOnlyList<CommitView> Commits);

/// <param name="New">False: the newest version already held exactly these files.</param>
sealed record CollectedView(string Dataset, CommitView Commit, bool New, int Added, int Changed);
