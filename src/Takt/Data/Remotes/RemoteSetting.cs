namespace Takt.Data.Remotes;

/// <param name="Address">A folder, <c>s3://bucket/prefix?endpoint=…</c>, or <c>http(s)://host:port</c> of a Takt server.</param>
public sealed record RemoteSetting(string Name, string Address);
