namespace Takt.Data;

/// <summary>
/// Where data comes from: files, a web server, a bucket, a database, the log of our own predictions. Behind the seam since vendors differ; the
/// composition root wires those that need a vendor's library.
/// </summary>
public interface ISource
{
    /// <summary>What addresses of this kind begin with, such as <c>https://</c>; none: what no other kind takes.</summary>
    IReadOnlyList<string> Prefixes { get; }

    /// <summary>The settings of an entry of <c>data:</c> that mean something here, beside those that all have.</summary>
    IReadOnlyList<string> Settings { get; }

    /// <summary>True: rows, of which a collect adds those that are new. False: files, each new or changed one taken as it is.</summary>
    bool GivesRows { get; }

    /// <summary>Brings what is new since the cursor into files in <see cref="SourceRequest.Target"/>.</summary>
    /// <exception cref="TaktException">It can't be reached, read or found; the message names the address, and secrets by name only.</exception>
    Task<SourceBatch> Fetch(SourceRequest request, CancellationToken cancel);
}
