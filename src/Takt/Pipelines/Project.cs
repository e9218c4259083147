namespace Takt.Pipelines;

/// <summary>A <c>takt.yaml</c>, read and found to be without fault.</summary>
/// <param name="Params">Flattened: <c>train.lr</c> → <c>0.1</c>.</param>
public sealed record Project(
    string Name,
    TaktFolder Folder,
    IReadOnlyDictionary<string, string> Params,
    IReadOnlyList<Stage> Stages,
    IReadOnlyList<MonitorSpec> Monitors,
    IReadOnlyList<DriftTrigger> DriftTriggers)
{
    /// <exception cref="TaktException">NotFound: no project file. Invalid: its faults, all of them, each with line and column.</exception>
    public static Project Load(TaktFolder folder, IReadOnlyList<IStepKind> kinds) => ProjectReader.Read(folder, kinds);
}
