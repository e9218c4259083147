namespace Takt.Runs;

/// <summary>One process at a time: a lock on a file that the system frees when its holder dies, with the holder's name in it.</summary>
public sealed class FolderLock : IDisposable
{
    readonly FileStream _file;

    FolderLock(FileStream file) => _file = file;

    /// <summary>Null when another holds it; <paramref name="holder"/> then says who.</summary>
    public static FolderLock? TryTake(string path, string description, out string holder)
    {
        holder = "";
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        try
        {
            // FileShare.Read: others can read who holds it; a second writer is refused
            var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read);
            file.SetLength(0);
            file.Write(System.Text.Encoding.UTF8.GetBytes(description));
            file.Flush();
            return new FolderLock(file);
        }
        catch (IOException) when (File.Exists(path))
        {
            try
            {
                using var reader = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
                holder = reader.ReadToEnd();
            }
            catch (IOException)
            {
                holder = "another process";
            }
            return null;
        }
    }

    public void Dispose()
    {
        _file.SetLength(0);
        _file.Dispose();
    }
}
