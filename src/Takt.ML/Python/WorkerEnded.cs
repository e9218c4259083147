namespace Takt.ML.Python;

/// <summary>The worker is no more, or talks nonsense; the message says why.</summary>
sealed class WorkerEnded(string why, bool untouched = false) : Exception(why)
{
    /// <summary>It was gone before it could see the request: another may answer it.</summary>
    public bool Untouched { get; } = untouched;
}
