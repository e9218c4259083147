namespace Takt.Runs;

/// <summary>What became of a stage in a pipeline run. Stored by name: only ever add.</summary>
public enum StageState
{
    Waiting,
    Running,
    /// <summary>It ran and succeeded.</summary>
    Ran,
    /// <summary>Nothing to do: the key is known and its outputs are in place.</summary>
    Cached,
    /// <summary>The key is known; its outputs were brought back from the store.</summary>
    Restored,
    Failed,
    /// <summary>A gate said no.</summary>
    NotPassed,
    /// <summary>Something that it needs did not succeed.</summary>
    Skipped,
    Cancelled,
    /// <summary>The process that ran it was gone.</summary>
    Interrupted,
}
