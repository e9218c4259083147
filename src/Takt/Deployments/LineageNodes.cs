using System.Text.Json;
using Takt.Models;
using Takt.Runs;
using Takt.Storage;

namespace Takt.Deployments;

/// <summary>What there is to say of each thing in a lineage, from its own rows.</summary>
sealed class LineageNodes(SqlSession session, Workspace workspace)
{
    const int FewestDigits = 8;

    readonly Dictionary<string, IReadOnlyList<StageRow>> _stages = new(StringComparer.Ordinal);

    public IReadOnlyList<StageRow> StagesOf(string pipelineRun) =>
        !workspace.IsDefault ? [] : _stages.TryGetValue(pipelineRun, out var known) ? known : _stages[pipelineRun] = StageRow.Of(session, pipelineRun); // pipelines are the project's

    /// <summary>Is this run the workspace's?</summary>
    /// <param name="column">Which holds its id, such as <c>t.run</c>.</param>
    public Sql Here(string column) => $"exists(select 1 from run here join experiment place on place.id = here.experiment where here.id = {Sql.Raw(column)} and place.workspace = {workspace})";

    public StageRow? Stage(string name)
    {
        var slash = name.IndexOf('/');
        return slash < 0 ? null : StagesOf(name[..slash]).FirstOrDefault(s => s.Name == name[(slash + 1)..]);
    }

    /// <summary>Null when it is not there.</summary>
    public LineageNode? Find(string id)
    {
        var (kind, name) = Split(id);
        return kind switch
        {
            "source" => (workspace.IsDefault && Exists($"select count(*) from dataset_commit where source = {name}")) || Sources(name).Count > 0 ? New(kind, name, "", null) : null,
            "data" => Data(name),
            "code" => Exists($"select count(*) from run_tag t where t.key = 'mlflow.source.git.commit' and t.value = {name} and {Here("t.run")}") || Exists($"select count(*) from model_version where workspace = {workspace} and code_commit = {name}")
                ? New(kind, name, name.EndsWith("-dirty", StringComparison.Ordinal) ? "with changes that were not committed" : "", null) : null,
            "stage" => Stage(name) is { } stage ? OfStage(stage) : null,
            "run" => Run(name),
            "logged-model" => LoggedModel(name),
            "model" => Model(name),
            "revision" when workspace.IsDefault => Revision(name),
            "endpoint" when workspace.IsDefault => Endpoint(name),
            _ => null,
        };
    }

    /// <summary>A neighbour that rows name and that is gone, or was never here.</summary>
    public static LineageNode Missing(string id)
    {
        var (kind, name) = Split(id);
        return New(kind, name, "not here any more", null, ("missing", "true"));
    }

    public static (string Kind, string Name) Split(string id) => (id[..id.IndexOf(':')], id[(id.IndexOf(':') + 1)..]);

    public static (string Name, string Version) SplitAt(string reference) => reference.LastIndexOf('@') is var at and > 0 ? (reference[..at], reference[(at + 1)..]) : (reference, "");

    /// <summary>
    /// The node of a dataset that a client logged: a commit of Takt's when the name and at least eight digits of its id are the same, else the client's own words.
    /// </summary>
    public string DataId(string name, string digest)
    {
        var digits = digest.StartsWith("sha256:", StringComparison.Ordinal) ? digest[7..] : digest;
        if (!workspace.IsDefault || digits.Length < FewestDigits || !digits.All(char.IsAsciiHexDigitLower)) return $"data:{name}@{digest}";
        var commits = session.Query($"select id from dataset_commit where dataset = {name} and id like {"sha256:" + digits + "%"} limit 2", row => row.Text(0));
        return commits.Count == 1 ? $"data:{name}@{commits[0]}" : $"data:{name}@{digest}";
    }

    /// <summary>Datasets that clients logged from this source.</summary>
    public List<string> Sources(string source) => session.Query($"select distinct i.name, i.digest, i.source_type, i.source from run_input i where i.source like {"%" + source + "%"} and {Here("i.run")}",
        row => (Name: row.Text(0), Digest: row.Text(1), Source: SourceName(row.Text(2), row.Text(3)))).Where(i => i.Source == source).Select(i => DataId(i.Name, i.Digest)).Distinct().ToList();

    /// <summary>A client describes a source as JSON; the address in it is what a reader knows.</summary>
    public static string SourceName(string type, string source)
    {
        try
        {
            using var json = JsonDocument.Parse(source);
            if (json.RootElement.ValueKind != JsonValueKind.Object) return source;
            foreach (var member in (string[])["uri", "url", "path", "delta_table_name", "table_name"])
                if (json.RootElement.TryGetProperty(member, out var value) && value.ValueKind == JsonValueKind.String && value.GetString() is { Length: > 0 } text) return text;
            return type == "code" && json.RootElement.TryGetProperty("tags", out var tags) && tags.ValueKind == JsonValueKind.Object
                && tags.TryGetProperty("mlflow.source.name", out var script) && script.GetString() is { Length: > 0 } name ? name : source;
        }
        catch (JsonException)
        {
            return source;
        }
    }

    LineageNode? Data(string name)
    {
        var (dataset, version) = SplitAt(name);
        var commit = !workspace.IsDefault ? null : session.First($"select author, time, message, files, bytes, \"rows\" from dataset_commit where dataset = {dataset} and id = {version}", row => New("data", name,
            $"{row.Number(3)} {(row.Number(3) == 1 ? "file" : "files")}{(row.IsNull(5) ? "" : $", {row.Number(5):N0} rows")}{(row.Text(2).Length == 0 ? "" : $": {row.Text(2)}")}", row.Time(1),
            ("author", row.Text(0)), ("files", row.Number(3).ToString()), ("bytes", row.Number(4).ToString()), ("rows", row.NumberOrNull(5)?.ToString())));
        return commit ?? session.First($"select i.source_type, i.source, i.context from run_input i where i.name = {dataset} and i.digest = {version} and {Here("i.run")}",
            row => New("data", name, "as a client logged it", null, ("sourceType", row.Text(0)), ("source", row.Text(1)), ("context", row.TextOrNull(2)), ("tracked", "false")));
    }

    static LineageNode OfStage(StageRow stage) => New("stage", $"{stage.PipelineRun}/{stage.Name}", stage.Summary.Split('\n')[0], stage.EndedAt,
        ("stage", stage.Name), ("state", stage.State), ("key", stage.Key), ("uses", stage.Parts.GetValueOrDefault("kind")), ("command", stage.Parts.GetValueOrDefault("command")), ("run", stage.Run));

    LineageNode? Run(string id)
    {
        var tags = session.Query($"select key, value from run_tag where run = {id} and key in ('takt.kind', 'takt.trigger', 'takt.stage', 'mlflow.source.name', 'mlflow.user')",
            row => KeyValuePair.Create(row.Text(0), row.Text(1))).ToDictionary();
        return session.First($"select r.name, r.status, r.started, e.name, r.lifecycle, r.parent from run r join experiment e on e.id = r.experiment where r.id = {id} and e.workspace = {workspace}", row => New("run", id,
            $"{row.Text(0)}, {row.Text(1)}, in {row.Text(3)}{(row.Text(4) == "deleted" ? ", deleted" : "")}", row.Time(2),
            ("name", row.Text(0)), ("status", row.Text(1)), ("experiment", row.Text(3)), ("lifecycle", row.Text(4)), ("parent", row.TextOrNull(5)), ("kind", tags.GetValueOrDefault("takt.kind")),
            ("trigger", tags.GetValueOrDefault("takt.trigger")), ("stage", tags.GetValueOrDefault("takt.stage")), ("source", tags.GetValueOrDefault("mlflow.source.name")), ("user", tags.GetValueOrDefault("mlflow.user"))));
    }

    LineageNode? LoggedModel(string id) => session.First($"select l.name, l.model_type, l.status, l.created, l.run from logged_model l join experiment e on e.id = l.experiment where l.id = {id} and e.workspace = {workspace}",
        row => New("logged-model", id, row.Text(0), row.Time(3), ("name", row.Text(0)), ("type", row.Text(1)), ("status", row.Text(2)), ("run", row.TextOrNull(4))));

    LineageNode? Model(string reference)
    {
        var (name, version) = SplitAt(reference);
        if (!long.TryParse(version, out var number)) return null;
        var aliases = string.Join(", ", session.Query($"select alias from model_alias where workspace = {workspace} and name = {name} and version = {number} order by alias", row => row.Text(0)));
        return session.First($"select source, stage, status, created, run, code_commit, package from model_version where workspace = {workspace} and name = {name} and version = {number}",
            row => New("model", reference, aliases, row.Time(3), ("aliases", aliases), ("source", row.Text(0)), ("stage", row.Text(1)), ("status", row.Text(2)), ("run", row.TextOrNull(4)),
                ("code", row.TextOrNull(5)), ("package", row.TextOrNull(6))));
    }

    LineageNode? Revision(string name)
    {
        var (endpoint, text) = SplitSlash(name);
        if (!long.TryParse(text, out var number)) return null;
        var live = session.Number($"select live from deployment where endpoint = {endpoint}");
        var state = session.Text($"select state from rollout where endpoint = {endpoint} and revision = {number} order by number desc limit 1");
        return session.First($"select model, created from revision where endpoint = {endpoint} and number = {number}", row => New("revision", name,
            $"{(live == number ? "live" : state?.ToLowerInvariant() ?? "")}", row.Time(1), ("endpoint", endpoint), ("revision", text), ("model", row.TextOrNull(0)), ("live", live == number ? "true" : "false"), ("rollout", state)));
    }

    LineageNode? Endpoint(string name) => session.First($"select live, created from deployment where endpoint = {name}",
        row => New("endpoint", name, row.IsNull(0) ? "nothing live yet" : $"revision {row.Number(0)} is live", row.Time(1), ("live", row.NumberOrNull(0)?.ToString())));

    public static (string Before, string After) SplitSlash(string name) => name.LastIndexOf('/') is var slash and > 0 ? (name[..slash], name[(slash + 1)..]) : (name, "");

    bool Exists(Sql count) => session.Number(count) > 0;

    static LineageNode New(string kind, string name, string summary, DateTimeOffset? at, params (string Name, string? Value)[] facts) => new($"{kind}:{name}", kind, name, summary, 0, at,
        facts.Where(f => !string.IsNullOrEmpty(f.Value)).ToDictionary(f => f.Name, f => f.Value!));
}
