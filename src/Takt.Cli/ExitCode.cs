namespace Takt.Cli;

/// <summary>What each command's end means to a script; documented in docs/cli-json.md.</summary>
public static class ExitCode
{
    public const int Ok = 0;
    public const int Failed = 1;
    public const int Usage = 2;
    public const int GateNotPassed = 3;
    public const int NotFound = 4;
    public const int Denied = 5;
    public const int Conflict = 6;
    public const int Unreachable = 7;
    public const int Cancelled = 130;

    public static int Of(TaktError error) => error switch
    {
        TaktError.Invalid => Usage,
        TaktError.NotFound => NotFound,
        TaktError.Denied => Denied,
        TaktError.Conflict => Conflict,
        TaktError.Unavailable => Unreachable,
        TaktError.Cancelled => Cancelled,
        _ => Failed,
    };
}
