namespace Takt.Data.WorkTrees;

/// <param name="What"><c>added</c>, <c>changed</c> or <c>removed</c>.</param>
public sealed record PathChange(string What, string Path);
