namespace Takt.Data;

/// <summary>Columns of a dataset's version, as a foreign key names them.</summary>
/// <param name="Dataset">A reference such as <c>airports</c> or <c>airports@v3</c>; or <c>previous</c>.</param>
public sealed record KeyReference(string Dataset, IReadOnlyList<string> Columns);
