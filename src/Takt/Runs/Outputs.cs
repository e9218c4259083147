using Takt.Pipelines;
using Takt.Storage;

namespace Takt.Runs;

/// <summary>A stage's outputs in the work tree and in the store.</summary>
static class Outputs
{
    public static void Remove(string root, string output)
    {
        var path = Path.Combine(root, output);
        if (Directory.Exists(path)) Directory.Delete(path, recursive: true);
        else if (File.Exists(path)) File.Delete(path);
    }

    /// <summary>Are all files of the result in the work tree, and nothing else in the output folders?</summary>
    public static bool InPlace(string root, Stage stage, StageResult result, FileDigests digests)
    {
        var files = stage.AllOutputs.SelectMany(output => PathPattern.Files(root, output)).Distinct().ToList();
        return files.Count == result.Outputs.Count
            && files.TrueForAll(file => result.Outputs.TryGetValue(file, out var digest) && digests.Of(Path.Combine(root, file)) == digest);
    }

    /// <summary>Brings the outputs back from the store.</summary>
    /// <returns>False, and nothing is touched, when the store lacks one of them.</returns>
    public static async Task<bool> Restore(string root, Stage stage, StageResult result, IBlobStore blobs, CancellationToken cancel)
    {
        foreach (var digest in result.Outputs.Values)
            if (await blobs.Length(Id(digest), cancel) is null) return false;
        foreach (var output in stage.AllOutputs) Remove(root, output);
        foreach (var (file, digest) in result.Outputs)
        {
            var path = Path.Combine(root, file);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            var tmp = path + ".takt-tmp";
            await using (var from = await blobs.Open(Id(digest), cancel))
            await using (var to = File.Create(tmp))
                await from.CopyToAsync(to, cancel);
            if (digest.EndsWith("+x", StringComparison.Ordinal) && !OperatingSystem.IsWindows())
                File.SetUnixFileMode(tmp, File.GetUnixFileMode(tmp) | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
            File.Move(tmp, path, overwrite: true);
        }
        return true;
    }

    /// <summary>Puts what the stage wrote into the store.</summary>
    /// <exception cref="TaktException">NotFound: a declared output was not written.</exception>
    public static async Task<Dictionary<string, string>> Keep(string root, Stage stage, IBlobStore blobs, FileDigests digests, CancellationToken cancel)
    {
        var kept = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var output in stage.AllOutputs)
        {
            var files = PathPattern.Files(root, output);
            if (files.Count == 0) throw TaktException.NotFound($"it ended well but did not write its output {output}");
            foreach (var file in files)
            {
                var path = Path.Combine(root, file);
                var digest = digests.Of(path)!;
                if (await blobs.Length(Id(digest), cancel) is null)
                {
                    await using var content = File.OpenRead(path);
                    await blobs.Put(content, cancel);
                }
                kept[file] = digest;
            }
        }
        return kept;
    }

    static Digest Id(string digest) => Digest.Parse(digest.EndsWith("+x", StringComparison.Ordinal) ? digest[..^2] : digest);
}
