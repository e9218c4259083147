namespace Takt.Data.Dvc;

/// <summary>A file of a folder that DVC tracks.</summary>
/// <param name="Path">Within the folder; empty for a file of its own.</param>
readonly record struct DvcFile(string Path, string Md5, DvcCloud? Cloud);
