using System.Text;
using Takt.Storage;

namespace Takt.Data.Remotes;

/// <summary>The remotes that a work tree knows: lines <c>remote.NAME = ADDRESS</c> of its <c>takt.config</c>, which git keeps, so that a fresh clone knows them too.</summary>
public static class RemoteList
{
    public const string Prefix = "remote.", Default = "origin";

    public static IReadOnlyList<RemoteSetting> Read(TaktFolder folder)
    {
        if (!File.Exists(folder.Settings)) return [];
        var found = new List<RemoteSetting>();
        foreach (var line in File.ReadLines(folder.Settings))
            if (line.Split('=', 2, StringSplitOptions.TrimEntries) is [var key, { Length: > 0 } address] && key.StartsWith(Prefix, StringComparison.Ordinal)) found.Add(new(key[Prefix.Length..], address));
        return found;
    }

    /// <exception cref="TaktException">Conflict: the name is taken. Invalid: the name or the address.</exception>
    public static void Add(TaktFolder folder, string name, string address)
    {
        if (!DatasetReference.IsName(name)) throw TaktException.Invalid($"'{name}' can't name a remote; use 1 to 100 letters, digits, '.', '_' and '-', a letter or digit first");
        Check(address);
        if (Read(folder).FirstOrDefault(remote => remote.Name == name) is { } taken) throw TaktException.Conflict($"the remote '{name}' is there already, {taken.Address}; remove it first, or take another name");
        var old = File.Exists(folder.Settings) ? File.ReadAllText(folder.Settings) : "";
        Files.WriteAtomically(folder.Settings, old + (old.Length > 0 && old[^1] != '\n' ? "\n" : "") + $"{Prefix}{name} = {address}\n");
    }

    /// <exception cref="TaktException">NotFound.</exception>
    public static void Remove(TaktFolder folder, string name)
    {
        Named(folder, name);
        var left = File.ReadLines(folder.Settings).Where(line => line.Split('=', 2, StringSplitOptions.TrimEntries)[0] != Prefix + name).ToList();
        if (left.Count == 0) File.Delete(folder.Settings);
        else Files.WriteAtomically(folder.Settings, Encoding.UTF8.GetBytes(string.Join('\n', left) + "\n"));
    }

    /// <summary>The remote that is meant.</summary>
    /// <param name="name">A name, or an address itself; null: the only one, or <c>origin</c>.</param>
    /// <exception cref="TaktException">NotFound; the message lists those that are there.</exception>
    public static RemoteSetting Find(TaktFolder folder, string? name)
    {
        var all = Read(folder);
        if (name is null)
            return all.Count == 1 ? all[0] : all.FirstOrDefault(remote => remote.Name == Default)
                ?? throw TaktException.NotFound(all.Count == 0 ? "no remote is known here; 'takt data remote add origin ADDRESS' names one: a folder, s3://bucket/prefix or http://host:port"
                    : $"which remote? say --remote with one of: {string.Join(", ", all.Select(remote => remote.Name))}");
        if (name.Contains('/')) return all.FirstOrDefault(remote => remote.Address == name) ?? new("remote", name);
        return Named(folder, name);
    }

    /// <exception cref="TaktException">Invalid: no address, or one that shows a password to all who read the file.</exception>
    public static void Check(string address)
    {
        if (address.Length == 0 || address.Any(char.IsControl)) throw TaktException.Invalid("a remote's address is a folder, s3://bucket/prefix?endpoint=… or http://host:port");
        if (Uri.TryCreate(address, UriKind.Absolute, out var url) && url.UserInfo.Length > 0)
            throw TaktException.Invalid("keys and passwords don't belong into a remote's address, which git keeps; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
        if (url is { Scheme: not ("file" or "s3" or "http" or "https") }) throw TaktException.Invalid($"'{url.Scheme}:' is no kind of remote; there are a folder, s3://bucket/prefix?endpoint=… and http(s)://host:port");
    }

    static RemoteSetting Named(TaktFolder folder, string name) => Read(folder) is var all && all.FirstOrDefault(remote => remote.Name == name) is { } found ? found
        : throw TaktException.NotFound($"no remote '{name}'; " + (all.Count == 0 ? "there is none, 'takt data remote add' names one" : $"there are: {string.Join(", ", all.Select(remote => remote.Name))}"));
}
