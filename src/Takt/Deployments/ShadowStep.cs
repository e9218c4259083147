namespace Takt.Deployments;

/// <summary>The first step of a rollout, in which the new revision gets copies only.</summary>
/// <param name="Sample">Share of the requests that are copied, above 0 to 1.</param>
/// <param name="Time">It lasts at least this long.</param>
/// <param name="Requests">And until so many copies were answered.</param>
/// <param name="Approve">Whether a person says afterwards that it goes on.</param>
public sealed record ShadowStep(double Sample, TimeSpan Time, long Requests, bool Approve);
