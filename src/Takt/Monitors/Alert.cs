namespace Takt.Monitors;

/// <summary>Something that a person, or a trigger, should act on.</summary>
/// <param name="Kind"><c>drift</c>, <c>performance</c> or <c>calibration</c>.</param>
/// <param name="Evidence">JSON: the figures that it rests on.</param>
public sealed record Alert(long Id, string Monitor, DateTimeOffset WindowStart, string Kind, string Message, string Evidence, DateTimeOffset CreatedAt);
