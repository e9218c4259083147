namespace Takt.Runs;

/// <param name="Part">From 1.</param>
/// <param name="ETag">What the answer to its PUT said, without quotes; of a part that came through the server its SHA-256 as hex.</param>
/// <param name="Size">In bytes; 0 where it is not known.</param>
public sealed record UploadPart(int Part, string ETag, long Size = 0);
