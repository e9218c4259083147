namespace Takt;

/// <summary>The part of a server that a team has to itself: every row of runs, models and datasets belongs to one. <c>default</c> is always there.</summary>
/// <remarks>One that came with a request has been checked (see <c>Storage.Workspaces.Require</c>); <c>default(Workspace)</c> is <see cref="Default"/>.</remarks>
public readonly record struct Workspace
{
    public const string DefaultName = "default";

    readonly string? _name;

    public Workspace(string name) => _name = name == DefaultName ? null : name;

    public static Workspace Default => default;

    public string Name => _name ?? DefaultName;

    public bool IsDefault => _name is null;

    public override string ToString() => Name;
}
