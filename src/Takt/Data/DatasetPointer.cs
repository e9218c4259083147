using Takt.Storage;

namespace Takt.Data;

/// <summary>
/// The small text file beside a checked-out folder (<c>data/flights.takt</c> for <c>data/flights/</c>) that git keeps in the data's place: which
/// version of the data belongs to this version of the code.
/// </summary>
public sealed record DatasetPointer(string Dataset, Digest Commit, Digest Tree, long Files, long Bytes)
{
    public static DatasetPointer Of(DatasetCommit commit) => new(commit.Dataset, commit.Id, commit.Tree, commit.Files, commit.Bytes);

    /// <summary>The pointer's place for a folder or file that is checked out.</summary>
    public static string PathFor(string checkout) => Path.TrimEndingDirectorySeparator(checkout) + ".takt";

    /// <summary>What the pointer at <paramref name="path"/> stands for: <c>data/flights/</c>, or <c>data/raw.csv</c> when the name it points from has an ending.</summary>
    public string Checkout(string path)
    {
        var target = path[..^".takt".Length];
        return Path.HasExtension(target) ? target : target + "/";
    }

    public void Write(string path) => Takt.Storage.Files.WriteAtomically(path,
        $"takt: 1\ndataset: {Dataset}\ncommit: {Commit}\ntree: {Tree}\nfiles: {Files}\nbytes: {Bytes}\n");

    /// <exception cref="TaktException">NotFound: no such file. Invalid: not a pointer; the message names the line.</exception>
    public static DatasetPointer Read(string path)
    {
        if (!File.Exists(path)) throw TaktException.NotFound($"no pointer '{path}'");
        var values = new Dictionary<string, string>();
        foreach (var line in File.ReadLines(path))
            if (line.IndexOf(": ", StringComparison.Ordinal) is > 0 and var at) values[line[..at]] = line[(at + 2)..].Trim();
        if (!values.TryGetValue("dataset", out var dataset) || !values.TryGetValue("commit", out var commit) || !Digest.TryParse(commit, out var id)
            || !values.TryGetValue("tree", out var tree) || !Digest.TryParse(tree, out var treeId))
            throw TaktException.Invalid($"'{path}' is not a dataset pointer: it needs the lines dataset, commit and tree");
        return new(dataset, id, treeId, Number("files"), Number("bytes"));

        long Number(string key) => values.TryGetValue(key, out var text) && long.TryParse(text, out var number) ? number : 0;
    }
}
