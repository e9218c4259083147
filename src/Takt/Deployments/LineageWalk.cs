using System.Text.Json;
using Takt.Models;
using Takt.Runs;
using Takt.Storage;

namespace Takt.Deployments;

/// <summary>Follows edges breadth first from one node, on one snapshot of the rows.</summary>
/// <remarks>
/// A run that is met on the way shows its code only, not all of its stages: what led to the thing that was asked for is reached through the stages themselves. Down from data,
/// a model counts only when it names that version as learned from, or came from a client's run that read it: another model of the same run does not.
/// </remarks>
sealed class LineageWalk(SqlSession session, Workspace workspace)
{
    /// <summary>More can't be drawn or read; the graph then says that it is cut.</summary>
    const int MostNodes = 2000;

    /// <summary>Neighbours over one kind of edge, the newest.</summary>
    const int MostOfOne = 500;

    readonly LineageNodes _facts = new(session, workspace);
    readonly Dictionary<string, LineageNode> _nodes = new(StringComparer.Ordinal);
    readonly HashSet<LineageEdge> _edges = [];
    readonly Queue<(string Id, bool Whole)> _queue = new();
    bool _truncated;

    public LineageNode? Node(string id) => _facts.Find(id);

    /// <summary>The kinds of things that have this very name, models and data apart.</summary>
    public List<string> Named(string name) => ((string[])["run", "logged-model", "endpoint", "code"]).Where(kind => _facts.Find($"{kind}:{name}") is not null).ToList();

    /// <summary>Is it a dataset as a client logged it, that Takt does not hold?</summary>
    public bool IsInput(string name) => _facts.Find("data:" + name)?.Facts.ContainsKey("tracked") == true;

    public LineageGraph Follow(LineageNode root, LineageDirection direction)
    {
        _nodes[root.Id] = root;
        if (direction.HasFlag(LineageDirection.Up)) Walk(root.Id, Up);
        if (direction.HasFlag(LineageDirection.Down)) Walk(root.Id, Down);
        return Ranked(root.Id);
    }

    void Walk(string root, Action<string, string, bool> neighbours)
    {
        var seen = new HashSet<(string, bool)>();
        _queue.Clear();
        _queue.Enqueue((root, true));
        while (_queue.TryDequeue(out var next))
            if (seen.Add(next)) neighbours(next.Id, LineageNodes.Split(next.Id).Name, next.Whole);
    }

    /// <param name="far">The end that is to be looked at next.</param>
    /// <param name="whole">False: it is context, not followed into all that it holds.</param>
    void Link(string from, string to, string kind, string far, bool whole = true)
    {
        if (!_nodes.ContainsKey(far))
        {
            if (_nodes.Count >= MostNodes)
            {
                _truncated = true;
                return;
            }
            _nodes[far] = _facts.Find(far) ?? LineageNodes.Missing(far);
        }
        _edges.Add(new LineageEdge(from, to, kind));
        _queue.Enqueue((far, whole));
    }

    void From(string cause, string to, string kind, bool whole = true) => Link(cause, to, kind, cause, whole);

    void To(string from, string effect, string kind, bool whole = true) => Link(from, effect, kind, effect, whole);

    void Up(string id, string name, bool whole)
    {
        switch (LineageNodes.Split(id).Kind)
        {
            case "prediction": UpPrediction(id); break;
            case "endpoint":
                foreach (var number in Most(session.Query($"select number from revision where endpoint = {name} order by number desc limit {MostOfOne + 1}", row => row.Number(0)))) From($"revision:{name}/{number}", id, "serves");
                break;
            case "revision":
                if (_nodes[id].Facts.TryGetValue("model", out var model)) From("model:" + model, id, "deployed");
                break;
            case "model": UpModel(id, name); break;
            case "logged-model":
                if (_nodes[id].Facts.TryGetValue("run", out var maker)) From("run:" + maker, id, "logged");
                foreach (var run in session.Query($"select o.run from run_output o where o.model = {name} and {_facts.Here("o.run")}", row => row.Text(0))) From("run:" + run, id, "logged");
                break;
            case "run": UpRun(id, name, whole); break;
            case "stage": UpStage(id, name); break;
            case "data": UpData(id, name); break;
        }
    }

    void UpPrediction(string id)
    {
        var facts = _nodes[id].Facts;
        var revision = $"revision:{facts.GetValueOrDefault("endpoint")}/{facts.GetValueOrDefault("revision")}";
        // the endpoint may have been taken away since; the log knows the version by itself
        if (_facts.Find(revision) is { } there && (!facts.TryGetValue("model_version", out var told) || !there.Facts.TryGetValue("model", out var model) || model == told)) From(revision, id, "answered");
        else if (facts.TryGetValue("model_version", out var version)) From("model:" + version, id, "answered");
    }

    void UpModel(string id, string reference)
    {
        var (name, version) = LineageNodes.SplitAt(reference);
        if (!long.TryParse(version, out var number)) return;
        var row = session.First($"select run, source, code_commit, dataset_commits from model_version where workspace = {workspace} and name = {name} and version = {number}",
            r => Tuple.Create(r.TextOrNull(0), r.Text(1), r.TextOrNull(2), JsonSerializer.Deserialize(r.Text(3), RunsJson.Default.ListString)!));
        if (row is null) return;
        var (run, source, code, data) = row;
        var register = string.IsNullOrEmpty(run) ? null : _facts.StagesOf(run).FirstOrDefault(s => s.Model == reference);
        if (register is not null) From(register.Id, id, "registered");
        if (!string.IsNullOrEmpty(run)) From("run:" + run, id, "registered", whole: register is null);
        else if (code is not null) From("code:" + code, id, "ran at");
        if (source.StartsWith("models:/", StringComparison.Ordinal))
        {
            var parts = source["models:/".Length..].Split('/');
            if (parts[0].StartsWith("m-", StringComparison.Ordinal) && _facts.Find("logged-model:" + parts[0]) is not null) From("logged-model:" + parts[0], id, "registered");
            else if (parts.Length == 2 && $"{parts[0]}@{parts[1]}" is var other && other != reference && _facts.Find("model:" + other) is not null) From("model:" + other, id, "copied");
        }
        var reached = register?.DataBefore(_facts.StagesOf(run!)) ?? [];
        foreach (var commit in data.Where(commit => !reached.Contains(commit))) From("data:" + commit, id, "learned from");
    }

    void UpRun(string id, string run, bool whole)
    {
        if (session.First($"select pipeline_run, stage from stage_run where run = {run} order by pipeline_run limit 1", row => $"stage:{row.Text(0)}/{row.Text(1)}") is { } stage && _facts.Find(stage) is not null)
            From(stage, id, "logged");
        if (session.Text($"select value from run_tag where run = {run} and key = 'mlflow.source.git.commit'") is { Length: > 0 } code) From("code:" + code, id, "ran at");
        foreach (var (name, digest) in session.Query($"select name, digest from run_input where run = {run} order by name, digest", row => (row.Text(0), row.Text(1)))) From(_facts.DataId(name, digest), id, "read");
        foreach (var model in session.Query($"select i.model from run_model_input i where i.run = {run} and {NotItsOwn}", row => row.Text(0))) From("logged-model:" + model, id, "read");
        if (_nodes[id].Facts.GetValueOrDefault("kind") != "stage")
            foreach (var data in session.Query($"select value from run_tag where run = {run} and key = 'takt.dataset'", row => row.Text(0))) From("data:" + data, id, "read");
        if (!whole) return;
        var stages = _facts.StagesOf(run);
        var read = stages.SelectMany(s => s.Reads(stages)).Select(s => s.Name).ToHashSet(StringComparer.Ordinal);
        foreach (var last in stages.Where(s => !read.Contains(s.Name))) From(last.Id, id, "part of");
    }

    void UpStage(string id, string name)
    {
        if (_facts.Stage(name) is not { } stage) return;
        if (stage.Data is { } made) // it collected this version: what it read is the source
        {
            if (SourceOf(made) is { Length: > 0 } source) From("source:" + source, id, "read");
            return;
        }
        foreach (var before in stage.Reads(_facts.StagesOf(stage.PipelineRun)))
            From(before.Data is { } data ? "data:" + data : before.Id, id, "read");
    }

    void UpData(string id, string reference)
    {
        var facts = _nodes[id].Facts;
        var source = facts.ContainsKey("tracked") ? LineageNodes.SourceName(facts.GetValueOrDefault("sourceType", ""), facts.GetValueOrDefault("source", "")) : SourceOf(reference);
        if (!string.IsNullOrEmpty(source)) From("source:" + source, id, "collected");
    }

    string? SourceOf(string reference)
    {
        var (dataset, commit) = LineageNodes.SplitAt(reference);
        return session.Text($"select source from dataset_commit where dataset = {dataset} and id = {commit}");
    }

    void Down(string id, string name, bool whole)
    {
        switch (LineageNodes.Split(id).Kind)
        {
            case "source":
                foreach (var commit in workspace.IsDefault ? Most(session.Query($"select dataset, id from dataset_commit where source = {name} order by time desc limit {MostOfOne + 1}", row => $"data:{row.Text(0)}@{row.Text(1)}")) : []) To(id, commit, "collected");
                foreach (var data in _facts.Sources(name)) To(id, data, "collected");
                break;
            case "data": DownData(id, name); break;
            case "code":
                foreach (var run in Most(session.Query($"""
                    select t.run from run_tag t join run r on r.id = t.run where t.key = 'mlflow.source.git.commit' and t.value = {name} and {_facts.Here("t.run")} order by r.started desc limit {MostOfOne + 1}
                    """, row => row.Text(0)))) To(id, "run:" + run, "ran at");
                foreach (var model in ModelsWhere($"run is null and code_commit = {name}")) To(id, model, "ran at");
                break;
            case "stage": DownStage(id, name); break;
            case "run": DownRun(id, name, whole); break;
            case "logged-model":
                foreach (var model in ModelsWhere($"source = {"models:/" + name} or source like {"models:/" + name + "/%"}")) To(id, model, "registered");
                foreach (var run in Most(session.Query($"select i.run from run_model_input i where i.model = {name} and {NotItsOwn} and {_facts.Here("i.run")} limit {MostOfOne + 1}", row => row.Text(0)))) To(id, "run:" + run, "read", whole: false);
                break;
            case "model":
                // endpoints serve models of the project's workspace; one of the same name elsewhere is another
                foreach (var revision in workspace.IsDefault ? Most(session.Query($"select endpoint, number from revision where model = {name} order by created desc limit {MostOfOne + 1}", row => $"revision:{row.Text(0)}/{row.Number(1)}")) : []) To(id, revision, "deployed");
                var address = "models:/" + string.Join('/', LineageNodes.SplitAt(name).Name, LineageNodes.SplitAt(name).Version);
                foreach (var copy in ModelsWhere($"source = {address}").Where(copy => copy != id)) To(id, copy, "copied");
                break;
            case "revision": To(id, "endpoint:" + LineageNodes.SplitSlash(name).Before, "serves"); break;
        }
    }

    void DownData(string id, string reference)
    {
        foreach (var model in ModelsWhere($"dataset_commits like {"%\"" + reference + "\"%"}")) To(id, model, "learned from");
        // keys of stages that collected it, then every pipeline run that had one, also where nothing had to run
        foreach (var run in Most(session.Query($"""
            select distinct p.id, p.started from stage_result r join stage_run s on s.key = r.key join run p on p.id = s.pipeline_run
            where r.tags like {"%\"takt.dataset\":\"" + reference + "\"%"} and {_facts.Here("p.id")} order by p.started desc limit {MostOfOne + 1}
            """, row => row.Text(0))))
        {
            To(id, "run:" + run, "read", whole: false);
            var stages = _facts.StagesOf(run);
            foreach (var stage in stages.Where(s => s.Run is not null && s.Model is null && HoldsModels(s.Run!) && s.DataBefore(stages).Contains(reference))) To(id, stage.Id, "read");
        }
        foreach (var run in Most(session.Query($"""
            select t.run from run_tag t join run r on r.id = t.run where t.key = 'takt.dataset' and t.value = {reference} and {_facts.Here("t.run")}
            and not exists(select 1 from run_tag k where k.run = t.run and k.key = 'takt.kind' and k.value = 'stage') order by r.started desc limit {MostOfOne + 1}
            """, row => row.Text(0)))) To(id, "run:" + run, "read", whole: false);
        var name = LineageNodes.SplitAt(reference).Name;
        foreach (var digest in session.Query($"select distinct i.digest from run_input i where i.name = {name} and {_facts.Here("i.run")}", row => row.Text(0)).Where(digest => _facts.DataId(name, digest) == id))
            foreach (var run in Most(session.Query($"select i.run from run_input i join run r on r.id = i.run where i.name = {name} and i.digest = {digest} and {_facts.Here("i.run")} order by r.started desc limit {MostOfOne + 1}", row => row.Text(0))))
                To(id, "run:" + run, "read", whole: false);
    }

    void DownStage(string id, string name)
    {
        if (_facts.Stage(name) is not { } stage) return;
        var all = _facts.StagesOf(stage.PipelineRun);
        if (stage.Data is { } data) To(id, "data:" + data, "collected");
        if (stage.Model is { } model) To(id, "model:" + model, "registered");
        var readers = all.Where(other => other.Reads(all).Contains(stage)).ToList();
        foreach (var reader in readers.Where(_ => stage.Data is null)) To(id, reader.Id, "read");
        if (stage.Run is { } own && HoldsModels(own)) To(id, "run:" + own, "logged");
        if (readers.Count == 0) To(id, "run:" + stage.PipelineRun, "part of", whole: false);
    }

    void DownRun(string id, string run, bool whole)
    {
        var found = whole ? ModelsWhere($"run = {run}") : ModelsWhere($"run = {run} and dataset_commits = {"[]"}");
        foreach (var model in found) To(id, model, "registered");
        foreach (var model in session.Query($"select id from logged_model where run = {run} and deleted = 0 union select model from run_output where run = {run}", row => row.Text(0))) To(id, "logged-model:" + model, "logged");
        if (!whole) return;
        foreach (var stage in _facts.StagesOf(run).Where(s => s.Run is not null && HoldsModels(s.Run!))) To(id, "run:" + stage.Run, "part of");
    }

    /// <summary>A run that looks at the model it made did not read it from elsewhere: the graph has no cycles.</summary>
    static readonly Sql NotItsOwn = Sql.Raw("not exists(select 1 from logged_model l where l.id = i.model and l.run = i.run) and not exists(select 1 from run_output o where o.run = i.run and o.model = i.model)");

    bool HoldsModels(string run) => session.Number($"""
        select (select count(*) from model_version where workspace = {workspace} and run = {run}) + (select count(*) from logged_model where run = {run}) + (select count(*) from run_output where run = {run})
        """) > 0;

    List<string> ModelsWhere(Sql test) => Most(session.Query($"select name, version from model_version where workspace = {workspace} and ({test}) order by created desc limit {MostOfOne + 1}",
        row => $"model:{row.Text(0)}@{row.Number(1)}"));

    List<T> Most<T>(List<T> found)
    {
        if (found.Count <= MostOfOne) return found;
        _truncated = true;
        return found[..MostOfOne];
    }

    /// <summary>Each node one column to the right of the last that it came from (longest path).</summary>
    LineageGraph Ranked(string root)
    {
        var causes = _nodes.Keys.ToDictionary(id => id, _ => 0, StringComparer.Ordinal);
        foreach (var edge in _edges) causes[edge.To]++;
        var effects = _edges.ToLookup(edge => edge.From, edge => edge.To, StringComparer.Ordinal);
        var rank = _nodes.Keys.ToDictionary(id => id, _ => 0, StringComparer.Ordinal);
        var ready = new Queue<string>(causes.Where(c => c.Value == 0).Select(c => c.Key));
        while (ready.TryDequeue(out var id))
            foreach (var effect in effects[id])
            {
                rank[effect] = Math.Max(rank[effect], rank[id] + 1);
                if (--causes[effect] == 0) ready.Enqueue(effect);
            }
        return new LineageGraph(root, [.. _nodes.Values.Select(n => n with { Rank = rank[n.Id] }).OrderBy(n => n.Rank).ThenBy(n => n.Id, StringComparer.Ordinal)],
            [.. _edges.OrderBy(e => rank[e.From]).ThenBy(e => e.From, StringComparer.Ordinal).ThenBy(e => e.To, StringComparer.Ordinal).ThenBy(e => e.Kind, StringComparer.Ordinal)], _truncated);
    }
}
