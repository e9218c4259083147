namespace Takt.Runs;

/// <summary>One process at a time: a lock on a file that the system frees when its holder dies, with the holder's name in it.</summary>
public sealed class FolderLock : IDisposable
{
    readonly FileStream _file;

    readonly string _path;

    FolderLock(FileStream file, string path) => (_file, _path) = (file, path);

    /// <summary>Null when another holds it; <paramref name="holder"/> then says who.</summary>
    public static FolderLock? TryTake(string path, string description, out string holder)
    {
        holder = "";
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        try
        {
            // FileShare.None is flock(LOCK_EX); anything weaker would be a shared lock, which a second process gets too
            var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            Say(HolderOf(path), description);
            return new FolderLock(file, path);
        }
        catch (IOException) when (File.Exists(path))
        {
            try
            {
                holder = File.ReadAllText(HolderOf(path));
            }
            catch (IOException)
            {
                // between taking the lock and saying who
            }
            if (holder.Length == 0) holder = "another process";
            return null;
        }
    }

    /// <summary>A full disk must not make a lock that is held look like another's: without a name the holder is "another process".</summary>
    static void Say(string path, string description)
    {
        try
        {
            File.Delete(path);
            using var name = new StreamWriter(path);
            name.Write(description);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // it is only for people
        }
    }

    /// <summary>Beside the lock: the lock's own file can't be read while it is held.</summary>
    static string HolderOf(string path) => path + ".holder";

    public void Dispose()
    {
        File.Delete(HolderOf(_path));
        _file.Dispose();
    }
}
