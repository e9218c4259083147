namespace Takt.Evaluation;

/// <summary>Stored by name: only ever add.</summary>
public enum GateVerdict
{
    Passed,
    Failed,
    /// <summary>The rule compares with a champion, and there is none yet.</summary>
    NotApplicable,
}
