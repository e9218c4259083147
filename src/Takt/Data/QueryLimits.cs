namespace Takt.Data;

/// <summary>What a user's query may take.</summary>
/// <param name="Memory">Bytes before it spills to the temporary folder, and where that can't help the end of it; 0: <see cref="DuckDb.Open"/>'s.</param>
/// <param name="Time">Null: as long as it takes.</param>
public sealed record QueryLimits(long Memory = 0, TimeSpan? Time = null);
