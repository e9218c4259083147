using System.Collections.Concurrent;
using System.Text.RegularExpressions;

namespace Takt.Storage;

/// <summary>The workspaces there are. Messages are those that MLflow's clients know.</summary>
/// <remarks>That one is there is remembered for <see cref="Remembered"/>: so long another server may still write into one that this one removed.</remarks>
public sealed partial class Workspaces
{
    public static readonly TimeSpan Remembered = TimeSpan.FromSeconds(1);

    const string Pattern = @"^(?!.*--)[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
    static readonly string[] Reserved = ["workspaces", "api", "ajax-api", "static-files"];

    /// <summary>What is told of a workspace that still holds something, as MLflow names it; other tables have their own names.</summary>
    static readonly Dictionary<string, string> Roots = new() { ["model"] = "registered_models", ["experiment"] = "experiments", ["webhook"] = "webhooks" };

    readonly Database _database;
    readonly TimeProvider _time;
    readonly ConcurrentDictionary<string, long> _seen = new(StringComparer.Ordinal);

    public Workspaces(Database database, TimeProvider time)
    {
        (_database, _time) = (database, time);
        database.Emptied += _seen.Clear;
    }

    /// <summary>Raised in the transaction that removes a workspace, before its rows go or move: whoever keeps things of it by other means than a column follows.</summary>
    public event Action<SqlSession, Workspace, WorkspaceRemoval>? Removing;

    /// <summary>The workspace of a request, checked; null or empty: <see cref="Workspace.Default"/>.</summary>
    /// <exception cref="TaktException">Invalid: no such name is allowed. NotFound.</exception>
    public Workspace Require(string? name)
    {
        name = name?.Trim();
        if (string.IsNullOrEmpty(name) || name == Workspace.DefaultName) return Workspace.Default;
        if (_seen.TryGetValue(name, out var at) && _time.GetElapsedTime(at) < Remembered) return new Workspace(name);
        CheckName(name);
        _ = Get(name);
        _seen[name] = _time.GetTimestamp();
        return new Workspace(name);
    }

    /// <summary>By name.</summary>
    public IReadOnlyList<WorkspaceInfo> List() => _database.Read(session => session.Query($"select name, description, artifact_root from workspace order by name", Row));

    /// <exception cref="TaktException">NotFound.</exception>
    public WorkspaceInfo Get(string name) => _database.Read(session => Find(session, name)) ?? throw Unknown(name);

    /// <exception cref="TaktException">Invalid: the name. Conflict: it is taken.</exception>
    public Task<WorkspaceInfo> Create(string name, string? description, string? artifactRoot)
    {
        if (name == Workspace.DefaultName) throw TaktException.Invalid($"The '{name}' workspace is reserved and cannot be created");
        CheckName(name);
        return _database.Write(session =>
        {
            if (Find(session, name) is not null) throw TaktException.Conflict($"Workspace '{name}' already exists.");
            session.Execute($"insert into workspace(name, description, artifact_root, created) values({name}, {description}, {Empty(artifactRoot)}, {_time.GetUtcNow()})");
            return Find(session, name)!;
        });
    }

    /// <param name="description">Null: as it is.</param>
    /// <param name="artifactRoot">Null: as it is; empty: the server's own place.</param>
    /// <exception cref="TaktException">NotFound. Invalid: nothing is to be changed.</exception>
    public Task<WorkspaceInfo> Update(string name, string? description, string? artifactRoot)
    {
        if (name != Workspace.DefaultName) CheckName(name);
        if (description is null && artifactRoot is null) throw TaktException.Invalid("Workspace update must have at least one key");
        return _database.Write(session =>
        {
            if (Find(session, name) is null) throw Unknown(name);
            if (description is not null) session.Execute($"update workspace set description = {description} where name = {name}");
            if (artifactRoot is not null) session.Execute($"update workspace set artifact_root = {Empty(artifactRoot)} where name = {name}");
            return Find(session, name)!;
        });
    }

    /// <exception cref="TaktException">NotFound. Invalid: it is <c>default</c>. Conflict: it holds something, or <c>default</c> holds things of the same names.</exception>
    public async Task Remove(string name, WorkspaceRemoval how)
    {
        if (name == Workspace.DefaultName) throw TaktException.Invalid($"The '{name}' workspace is reserved and cannot be deleted");
        CheckName(name);
        await _database.Write(session =>
        {
            if (Find(session, name) is null) throw Unknown(name);
            var graph = TableGraph.Read(session);
            if (how != WorkspaceRemoval.Cascade) DropEmptyDefault(session, graph, name);
            if (how == WorkspaceRemoval.Restrict) RequireEmpty(session, graph, name);
            if (how == WorkspaceRemoval.SetDefault) RequireNoneOfSameName(session, graph, name);
            Removing?.Invoke(session, new Workspace(name), how);
            if (how == WorkspaceRemoval.SetDefault)
            {
                foreach (var table in graph.WithWorkspace) session.Execute($"update {Sql.Raw(table)} set workspace = {Workspace.DefaultName} where workspace = {name}");
            }
            else foreach (var table in graph.WithWorkspace) graph.Delete(session, table, $"workspace = {name}");
            session.Execute($"delete from workspace where name = {name}");
        });
        _seen.TryRemove(name, out _);
    }

    // made by whoever looked at the workspace; default has one of its own
    static void DropEmptyDefault(SqlSession session, TableGraph graph, string name)
    {
        if (session.Number($"select id from experiment where workspace = {name} and name = {"Default"}") is not { } id) return;
        if (!graph.IsUsed(session, "experiment", id, besides: "experiment_tag")) graph.Delete(session, "experiment", $"id = {id}");
    }

    static void RequireEmpty(SqlSession session, TableGraph graph, string name)
    {
        // events stay behind their model and hold nobody up
        foreach (var table in graph.WithWorkspace.Where(t => !t.EndsWith("_event", StringComparison.Ordinal)).OrderBy(t => t == "model" ? 0 : t == "experiment" ? 1 : 2))
            if (session.Number($"select count(*) from {Sql.Raw(table)} where workspace = {name}") is > 0 and var count)
                throw TaktException.Conflict($"Cannot delete workspace '{name}': table '{Roots.GetValueOrDefault(table, table)}' still contains {count} resource(s). Remove or reassign them before deleting the workspace.");
    }

    static void RequireNoneOfSameName(SqlSession session, TableGraph graph, string name)
    {
        var same = new List<string>();
        foreach (var table in graph.WithWorkspace.Where(t => t is "model" or "experiment"))
            same.AddRange(session.Query($"""
                select a.name from {Sql.Raw(table)} a join {Sql.Raw(table)} b on b.name = a.name and b.workspace = {Workspace.DefaultName} where a.workspace = {name} order by a.name
                """, row => $"  - {Roots[table]}: '{row.Text(0)}'"));
        if (same.Count > 0)
            throw TaktException.Conflict($"Cannot reassign resources from workspace '{name}' to '{Workspace.DefaultName}': the following names already exist in the default workspace "
                + $"and would cause conflicts:\n{string.Join('\n', same)}\nRename or remove the conflicting resources before retrying.");
    }

    /// <exception cref="TaktException">Invalid.</exception>
    public static void CheckName(string name)
    {
        if (name.Length is < 2 or > 63) throw TaktException.Invalid($"Workspace name '{name}' must be between 2 and 63 characters.");
        if (!Names().IsMatch(name)) throw TaktException.Invalid($"Workspace name '{name}' must match the pattern {Pattern} (lowercase alphanumeric with optional internal hyphens).");
        if (Reserved.Contains(name)) throw TaktException.Invalid($"Workspace name '{name}' is reserved and cannot be used.");
    }

    static string? Empty(string? text) => string.IsNullOrWhiteSpace(text) ? null : text.Trim();

    static WorkspaceInfo? Find(SqlSession session, string name) => session.First($"select name, description, artifact_root from workspace where name = {name}", Row);

    static WorkspaceInfo Row(SqlRow row) => new(row.Text(0), row.TextOrNull(1), row.TextOrNull(2));

    static TaktException Unknown(string name) => TaktException.NotFound($"Workspace '{name}' not found");

    [GeneratedRegex(Pattern)]
    private static partial Regex Names();
}
