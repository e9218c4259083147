namespace Takt.Data;

/// <summary>An entry of <c>data:</c>: what is collected from where, and how.</summary>
/// <param name="Sources">Addresses; several only of files.</param>
/// <param name="Folder">The project's.</param>
public sealed record CollectRequest(string Dataset, IReadOnlyList<string> Sources, string Folder)
{
    public Expectations? Expect { get; init; }

    public string Message { get; init; } = "";

    /// <summary>The name of the one file the dataset is; null: a folder of files, a batch each.</summary>
    public string? SingleFile { get; init; }

    /// <summary>See <see cref="SourceRequest.Settings"/>.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();

    /// <summary>Columns that name a row: one that comes again takes the place of the earlier. Empty: whole rows; one that is there already is left out.</summary>
    public IReadOnlyList<string> Key { get; init; } = [];

    public TimeSpan Late { get; init; }

    public (string? From, string? To) Range { get; init; }

    public SchemaPolicy? Schema { get; init; }

    /// <summary>Column → <c>drop</c>, <c>hash</c> or <c>truncate N</c>; done before anything is stored.</summary>
    public IReadOnlyDictionary<string, string> Mask { get; init; } = new Dictionary<string, string>();

    /// <summary>The name of the secret that <c>hash</c> is keyed with.</summary>
    public string? MaskKey { get; init; }

    /// <summary>Which files of archives (.zip, .tar, .tar.gz, .tgz) are taken, a glob; null: archives are files like others.</summary>
    public string? Unpack { get; init; }

    public long MaxBytes { get; init; } = 10L << 30;
}
