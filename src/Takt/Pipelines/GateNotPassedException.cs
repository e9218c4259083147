namespace Takt.Pipelines;

/// <summary>A gate said no: nothing is broken, and what was to follow does not happen. The CLI exits with 3.</summary>
public sealed class GateNotPassedException(string message) : Exception(message);
