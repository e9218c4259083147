namespace Takt.Data.Dvc;

/// <summary>A file in a bucket that keeps versions: there it has its own name, and not that of its MD5.</summary>
/// <param name="Remote">The name of the remote.</param>
/// <param name="Version">As the bucket names it.</param>
sealed record DvcCloud(string Remote, string Version);
