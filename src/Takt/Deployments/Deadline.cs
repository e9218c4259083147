using System.Diagnostics;
using System.Globalization;

namespace Takt.Deployments;

/// <summary>Until when a request must have its turn; after that it is not begun. What has begun is finished and answered.</summary>
public readonly record struct Deadline
{
    readonly long _from; // a timestamp of Stopwatch; 0: there is no deadline
    readonly TimeSpan _within;

    Deadline(long from, TimeSpan within) => (_from, _within) = (from, within);

    public static Deadline None => default;

    public bool IsNone => _from == 0;

    /// <summary>What is left of it, not below zero; null: there is none.</summary>
    public TimeSpan? Left => IsNone ? null : _within - Stopwatch.GetElapsedTime(_from) is var left && left > TimeSpan.Zero ? left : TimeSpan.Zero;

    /// <param name="within">Counted from now; null: none.</param>
    public static Deadline In(TimeSpan? within) => within is { } time ? new(Stopwatch.GetTimestamp(), time) : default;

    /// <summary>The earlier of both.</summary>
    public Deadline Or(Deadline other) => IsNone ? other : other.IsNone || other.Left >= Left ? this : other;

    /// <exception cref="TaktException">TimedOut.</exception>
    public void Require(string what)
    {
        if (!IsNone && Left == TimeSpan.Zero) throw Over(what);
    }

    /// <summary>The fault that it is over.</summary>
    public TaktException Over(string what) => new(TaktError.TimedOut, string.Create(CultureInfo.InvariantCulture, $"the turn of this request of '{what}' did not come within its {_within.TotalMilliseconds:0.###} ms; it was not begun"));
}
