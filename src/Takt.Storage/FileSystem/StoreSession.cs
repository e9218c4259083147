namespace Takt.Storage.FileSystem;

/// <summary>
/// This process's own folder for work in flight in a store, <c>tmp/ID/</c>, with a lock <c>tmp/ID.lock</c> that the system frees when the process
/// dies, however it dies. Opening one removes the folders whose lock nobody holds.
/// </summary>
sealed class StoreSession : IDisposable
{
    /// <summary>A session younger than this may not have locked its file yet.</summary>
    static readonly TimeSpan Grace = TimeSpan.FromMinutes(1);

    readonly FileStream _lock;

    public StoreSession(string tmp, TimeProvider time)
    {
        Directory.CreateDirectory(tmp);
        RemoveDead(tmp, time);
        Folder = Path.Combine(tmp, Guid.NewGuid().ToString("N"));
        _lock = new FileStream(Folder + ".lock", FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None); // flock: freed on SIGKILL
        Directory.CreateDirectory(Folder);
    }

    public string Folder { get; }

    public void Dispose()
    {
        if (Directory.Exists(Folder)) Directory.Delete(Folder, recursive: true);
        File.Delete(_lock.Name);
        _lock.Dispose();
    }

    static void RemoveDead(string tmp, TimeProvider time)
    {
        foreach (var entry in new DirectoryInfo(tmp).EnumerateFileSystemInfos())
        {
            if (time.GetUtcNow() - entry.LastWriteTimeUtc < Grace) continue;
            var lockFile = entry.Extension == ".lock" ? entry.FullName : entry.FullName + ".lock";
            try
            {
                if (File.Exists(lockFile))
                    using (new FileStream(lockFile, FileMode.Open, FileAccess.ReadWrite, FileShare.None)) { }
                if (entry is DirectoryInfo folder) folder.Delete(recursive: true);
                else if (!Directory.Exists(Path.ChangeExtension(entry.FullName, null))) entry.Delete();
            }
            catch (IOException)
            {
                // held by a living process, or removed by another that starts now
            }
            catch (UnauthorizedAccessException)
            {
                // another user's
            }
        }
    }
}
