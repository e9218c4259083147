namespace Takt.Storage;

/// <summary>Rows that are durable in a place of their own and come into the database a little later, many at once. Who reads or writes there finds them written.</summary>
/// <param name="Any">Whether any are not written yet; asked before each read and each group of writes.</param>
/// <param name="Write">Writes those that there are. Once more of what was written already must change nothing. Called by one thread at a time.</param>
/// <param name="Written">What was written last is committed.</param>
sealed record WriteBehind(Func<bool> Any, Action<SqlSession> Write, Action Written);
