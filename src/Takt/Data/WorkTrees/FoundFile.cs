using Takt.Storage;

namespace Takt.Data.WorkTrees;

/// <param name="Path">Within the folder that is looked through, UTF-8.</param>
readonly record struct FoundFile(byte[] Path, string FullPath, FileStat Stat);
