namespace Takt.Pipelines;

/// <summary>The stages in an order in which each comes after those that it needs.</summary>
public sealed class StageGraph
{
    const int StagesTold = 20;

    StageGraph(IReadOnlyList<Stage> order, IReadOnlyDictionary<string, IReadOnlyList<string>> upstream)
    {
        Order = order;
        Upstream = upstream;
    }

    public IReadOnlyList<Stage> Order { get; }

    /// <summary>By stage: the stages that must have succeeded before it, in the order of the project file.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<string>> Upstream { get; }

    /// <exception cref="TaktException">Invalid: a cycle, named as a path.</exception>
    public static StageGraph Of(Project project)
    {
        var upstream = Arrows(project.Stages);
        return new StageGraph(Sort(project.Stages, upstream), upstream);
    }

    /// <summary>Only the named stages and what they need; all when none is named.</summary>
    /// <exception cref="TaktException">NotFound: no such stage.</exception>
    public StageGraph For(IReadOnlyList<string> names)
    {
        if (names.Count == 0) return this;
        var wanted = new HashSet<string>(StringComparer.Ordinal);
        var queue = new Queue<string>();
        foreach (var name in names)
        {
            if (!Upstream.ContainsKey(name)) throw TaktException.NotFound($"no stage '{name}' in takt.yaml{(Nearest.Hint(name, Upstream.Keys) is { Length: > 0 } hint ? hint : $"; it has {string.Join(", ", Upstream.Keys.Take(StagesTold))}{(Upstream.Count > StagesTold ? " …" : "")}")}");
            queue.Enqueue(name);
        }
        while (queue.TryDequeue(out var name))
            if (wanted.Add(name))
                foreach (var need in Upstream[name]) queue.Enqueue(need);
        return new StageGraph(Order.Where(s => wanted.Contains(s.Name)).ToList(), Upstream.Where(u => wanted.Contains(u.Key)).ToDictionary());
    }

    /// <summary>Inputs that are not there and that no stage makes.</summary>
    /// <exception cref="TaktException">NotFound, naming each file and its stage.</exception>
    public void RequireInputs(Project project)
    {
        var outputs = project.Stages.SelectMany(s => s.AllOutputs).ToHashSet(StringComparer.Ordinal);
        var missing = Order.SelectMany(stage => stage.In
            .Where(path => !outputs.Contains(path) && !project.Stages.Any(s => s.AllOutputs.Any(o => PathPattern.Feeds(o, path))))
            .Where(path => PathPattern.Files(project.Folder.Root, path).Count == 0)
            .Select(path => $"{TaktFolder.ProjectFileName}:{stage.At.Line}:{stage.At.Column}: stage {stage.Name} reads {path}, which is not there and which no stage makes")).ToList();
        if (missing.Count > 0) throw new TaktException(TaktError.NotFound, missing);
    }

    static Dictionary<string, IReadOnlyList<string>> Arrows(IReadOnlyList<Stage> stages)
    {
        var byOutput = new Dictionary<string, Stage>(StringComparer.Ordinal);
        foreach (var stage in stages)
            foreach (var path in stage.AllOutputs) byOutput[path] = stage;
        var upstream = new Dictionary<string, IReadOnlyList<string>>(stages.Count, StringComparer.Ordinal);
        foreach (var stage in stages)
        {
            var found = new List<string>(stage.Needs);
            foreach (var path in stage.In)
            {
                if (byOutput.TryGetValue(path, out var maker) || byOutput.TryGetValue(path.EndsWith('/') ? path[..^1] : path + "/", out maker)) found.Add(maker.Name);
                // a file below an output folder: one look-up per level of its path
                for (var slash = path.LastIndexOf('/', Math.Max(0, path.Length - 2)); slash > 0; slash = path.LastIndexOf('/', slash - 1))
                    if (byOutput.TryGetValue(path[..(slash + 1)], out maker)) found.Add(maker.Name);
                if (PathPattern.IsFolder(path) || PathPattern.IsGlob(path))
                    found.AddRange(byOutput.Where(o => PathPattern.Feeds(o.Key, path)).Select(o => o.Value.Name));
            }
            upstream[stage.Name] = found.Distinct().ToList();
        }
        return upstream;
    }

    static List<Stage> Sort(IReadOnlyList<Stage> stages, Dictionary<string, IReadOnlyList<string>> upstream)
    {
        var byName = stages.ToDictionary(s => s.Name, StringComparer.Ordinal);
        var order = new List<Stage>(stages.Count);
        var state = new Dictionary<string, bool>(StringComparer.Ordinal); // false: on the path now; true: done
        var path = new Stack<(string Name, int Next)>();
        foreach (var start in stages)
        {
            if (state.ContainsKey(start.Name)) continue;
            path.Push((start.Name, 0));
            state[start.Name] = false;
            while (path.TryPop(out var at))
            {
                var needs = upstream[at.Name];
                if (at.Next == needs.Count)
                {
                    state[at.Name] = true;
                    order.Add(byName[at.Name]);
                    continue;
                }
                path.Push((at.Name, at.Next + 1));
                var need = needs[at.Next];
                if (!state.TryGetValue(need, out var done))
                {
                    state[need] = false;
                    path.Push((need, 0));
                }
                else if (!done) throw Cycle(byName, path.Select(p => p.Name).ToList(), need);
            }
        }
        return order;
    }

    static TaktException Cycle(Dictionary<string, Stage> byName, List<string> path, string closing)
    {
        // the path is from the newest backwards; an arrow in the message means "feeds"
        var cycle = path.TakeWhile(n => n != closing).Append(closing).ToList();
        var (line, column) = byName[closing].At;
        return TaktException.Invalid($"{TaktFolder.ProjectFileName}:{line}:{column}: the stages need each other in a circle: {closing} → {string.Join(" → ", cycle)}");
    }
}
