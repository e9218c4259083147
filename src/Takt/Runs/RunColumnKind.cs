namespace Takt.Runs;

/// <summary>What a column of the runs table shows.</summary>
public enum RunColumnKind { Attribute, Metric, Param, Tag }
