namespace Takt.Data;

/// <summary>What a source gave.</summary>
/// <param name="Files">Path in the dataset → file on disk. Of a source of rows: one Parquet file, or none when there is nothing new.</param>
/// <param name="Cursor">Where to go on next time, in the source's own words; null: it has no cursor.</param>
public sealed record SourceBatch(IReadOnlyDictionary<string, string> Files, string? Cursor);
