namespace Takt.Runs.Import;

/// <summary>What became of an experiment or a registered model that was imported.</summary>
/// <param name="Id">As it is called here.</param>
/// <param name="Name">Another one than at the source when that was taken here.</param>
/// <param name="IsNew">It was not here yet.</param>
public sealed record ImportTarget(string Id, string Name, bool IsNew);
