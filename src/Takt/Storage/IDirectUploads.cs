namespace Takt.Storage;

/// <summary>Large content that clients send in parts, past the server, to where it will be kept: a bucket.</summary>
public interface IDirectUploads
{
    /// <param name="name">Of an object that nothing else is called.</param>
    /// <returns>The bucket's own id of the upload.</returns>
    Task<string> Begin(string name, CancellationToken cancel = default);

    /// <summary>Who has it may PUT this part, without keys, until it ends.</summary>
    /// <param name="part">From 1.</param>
    /// <param name="lifetime">At most 7 days.</param>
    Task<Uri> PartUrl(string name, string upload, int part, TimeSpan lifetime);

    /// <summary>Puts the parts together and makes a blob of them. Done again after a crash in the middle, it goes on.</summary>
    /// <param name="parts">Number and the tag that the bucket answered, in order.</param>
    /// <exception cref="TaktException">Invalid: a part is not there or not the one that is meant.</exception>
    Task<Blob> Complete(string name, string upload, IReadOnlyList<(int Part, string ETag)> parts, CancellationToken cancel = default);

    /// <summary>Frees what was sent; nothing happens when nothing is there.</summary>
    Task Abort(string name, string upload, CancellationToken cancel = default);
}
