namespace Takt.Pipelines;

/// <summary>
/// The <c>with:</c> of a step, read key by key. What is missing or of the wrong kind is noted as a fault at its line and column and a harmless
/// value is returned, so that one pass finds every fault; a key that no step asked for is noted as unknown, with the nearest known one.
/// </summary>
/// <remarks>Values are already interpolated (<c>${params.x}</c>).</remarks>
public abstract class StepArguments
{
    /// <summary>A required text.</summary>
    public abstract string Text(string key);

    public abstract string? TextOrNull(string key);

    /// <summary>One of <paramref name="allowed"/>; the first when absent.</summary>
    public abstract string Choice(string key, params string[] allowed);

    public abstract long Integer(string key, long fallback);

    public abstract double Number(string key, double fallback);

    public abstract double? NumberOrNull(string key);

    public abstract bool Flag(string key, bool fallback);

    /// <summary>A list, or a single value as a list of one; empty when absent.</summary>
    public abstract IReadOnlyList<string> Texts(string key);

    /// <summary>A mapping of texts; empty when absent.</summary>
    public abstract IReadOnlyDictionary<string, string> Map(string key);

    /// <summary>A nested mapping, read the same way; null when absent.</summary>
    public abstract StepArguments? Section(string key);

    /// <summary>A list of mappings (or a mapping of mappings: then <see cref="Name"/> is the entry's key); empty when absent.</summary>
    public abstract IReadOnlyList<StepArguments> Sections(string key);

    /// <summary>The key this section stands under in a mapping of mappings; empty in a list.</summary>
    public abstract string Name { get; }

    public abstract bool Has(string key);

    /// <summary>Whether a mapping stands there, where a plain value could as well.</summary>
    public abstract bool IsSection(string key);

    /// <summary>As <see cref="Has"/>, for a key of the language that this version does not do yet: it is not offered as a suggestion.</summary>
    public abstract bool HasToCome(string key);

    /// <summary>Where this section begins, line and column from 1.</summary>
    public abstract (long Line, long Column) At { get; }

    /// <summary>All that stands here as text of one form: members sorted, comments and layout gone.</summary>
    public abstract string Canonical();

    /// <summary>Notes a fault at another place of the same file.</summary>
    public abstract void FaultAt((long Line, long Column) at, string message);

    /// <summary>Notes a fault of the step's own at the place of the key's value: a rule among several arguments, say.</summary>
    public abstract void Fault(string key, string message);
}
