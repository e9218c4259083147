namespace Takt.Storage;

/// <summary>Large content that clients send in parts, past the server, to where it will be kept: a bucket.</summary>
/// <param name="Begin">Takes the name of an object that nothing else is called; returns the bucket's own id of the upload.</param>
/// <param name="PartUrl">Name, upload, number of the part from 1 and lifetime of at most 7 days: who has the address may PUT the part, without keys, until it ends.</param>
/// <param name="Complete">Puts the parts, each with the tag that the bucket answered, together in order and makes a blob of them. Done again after a crash in the middle, it goes on.
/// Invalid: a part is not there or not the one that is meant. NotFound: no such upload.</param>
/// <param name="Abort">Frees what was sent; nothing happens when nothing is there.</param>
public sealed record DirectUploads(
    Func<string, CancellationToken, Task<string>> Begin,
    Func<string, string, int, TimeSpan, Task<Uri>> PartUrl,
    Func<string, string, IReadOnlyList<(int Part, string ETag)>, CancellationToken, Task<Blob>> Complete,
    Func<string, string, CancellationToken, Task> Abort);
