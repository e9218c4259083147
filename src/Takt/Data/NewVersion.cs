namespace Takt.Data;

/// <summary>What a new version of a dataset is to be made of.</summary>
/// <param name="Dataset">Made when it does not exist.</param>
/// <param name="Files">Path in the dataset → file on disk.</param>
public sealed record NewVersion(string Dataset, IReadOnlyDictionary<string, string> Files)
{
    public string Ref { get; init; } = DatasetReference.Main;

    /// <summary>Keep the files of the tip that <see cref="Files"/> does not name (an incremental collect); else they are gone from the new version.</summary>
    public bool KeepOthers { get; init; }

    public string Author { get; init; } = Environment.UserName;

    public string Message { get; init; } = "";

    /// <summary>Where the data came from, for the record.</summary>
    public string Source { get; init; } = "";

    /// <summary>Checked on the whole new version before it is committed; null: nothing is.</summary>
    public Expectations? Expect { get; init; }
}
