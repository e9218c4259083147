using System.Text.RegularExpressions;

namespace Takt.Pipelines;

/// <summary>The language of <c>takt.yaml</c>. Every key that is asked for here is a known key; there is no other list of them.</summary>
sealed partial class ProjectReader(IReadOnlyList<IStepKind> kinds, IReadOnlyDictionary<string, string> parameters)
{
    /// <summary>In the language (docs/takt-yaml.md), and not built yet: refused by name rather than passed over.</summary>
    static readonly string[] StageKeysToCome = ["matrix", "environment", "resources", "retry", "concurrency", "progress", "plots", "workdir"];

    readonly List<Stage> _stages = [];

    public static Project Read(TaktFolder folder, IReadOnlyList<IStepKind> kinds)
    {
        if (!File.Exists(folder.ProjectFile)) throw TaktException.NotFound($"no {TaktFolder.ProjectFileName} in {folder.Root}; `takt init` makes one");
        var faults = new Faults(TaktFolder.ProjectFileName);
        var document = YamlFile.Read(folder.ProjectFile, TaktFolder.ProjectFileName);
        // what can stand in ${…} first; its faults are found again below, with the rest
        var ahead = new YamlArguments(document, "", "", new Faults(TaktFolder.ProjectFileName), Interpolation.None);
        var parameters = ParamsFile.Read(folder, ahead.TextOrNull("params"));
        var values = new Interpolation(parameters, ahead.Map("env"), ahead.Texts("secrets"));
        var root = new YamlArguments(document, "", "", faults, values);
        var project = new ProjectReader(kinds, parameters).Read(root, folder);
        root.ReportUnknown();
        faults.Throw();
        return project;
    }

    /// <summary>Asks for every key that the language has. With recording arguments this yields the schema.</summary>
    public Project Read(StepArguments root, TaktFolder folder)
    {
        if (root.Integer("takt", 1) != 1 || !root.Has("takt")) root.Fault("takt", "takt: 1 is the format that this version reads");
        var name = root.Text("project");
        _ = root.TextOrNull("params");
        var env = root.Map("env");
        var secrets = root.Texts("secrets");
        ToCome(root, "environments");
        var defaults = root.Section("defaults");
        var timeout = defaults is null ? (TimeSpan?)null : Timeout(defaults);
        if (defaults is not null) ToCome(defaults, "environment", "on-failure", "retry");

        foreach (var data in root.Sections("data")) ReadData(data);
        foreach (var stage in root.Sections("stages")) ReadStage(stage, env, secrets, timeout);
        foreach (var gate in root.Sections("gates")) ReadGate(gate);
        foreach (var deploy in root.Sections("deploy")) ReadDeploy(deploy);
        CheckNames(root);
        var monitors = root.Sections("monitor").Select(ReadMonitor).ToList();
        var triggers = ReadTriggers(root, monitors);
        return new Project(name, folder, parameters, WithGateInputs(), monitors, triggers);
    }

    void ReadData(StepArguments data)
    {
        if (data.Has("source")) Add(data, $"data.{data.Name}", "collect", data, []);
        else _ = data.Text("path"); // a tracked file that nothing brings: an input of whoever names it
    }

    void ReadStage(StepArguments stage, IReadOnlyDictionary<string, string> env, IReadOnlyList<string> secrets, TimeSpan? timeout)
    {
        ToCome(stage, StageKeysToCome);
        var command = stage.TextOrNull("run");
        var uses = stage.TextOrNull("uses");
        var needs = stage.Texts("needs").ToList();
        if (stage.TextOrNull("if") is { } condition) needs.AddRange(Condition(stage, condition));
        if (command is null == uses is null) stage.Fault(command is null ? "run" : "uses", "a stage has either run: or uses:");
        if (uses is not null)
        {
            ReadUses(stage, uses, needs, Timeout(stage) ?? timeout);
            return;
        }
        if (stage.Has("with")) stage.Fault("with", "with: goes with uses:, not with run:");
        _stages.Add(new Stage
        {
            Name = stage.Name,
            Command = command ?? "",
            In = Paths(stage, "in"),
            Out = Paths(stage, "out"),
            Metrics = Paths(stage, "metrics"),
            Params = Chosen(stage),
            Env = env,
            Secrets = secrets.Where(s => (command ?? "").Contains($"${{secrets.{s}}}", StringComparison.Ordinal)).ToList(),
            Needs = needs,
            Timeout = Timeout(stage) ?? timeout,
            At = stage.At,
        });
    }

    void ReadUses(StepArguments stage, string uses, List<string> needs, TimeSpan? timeout)
    {
        var match = Uses().Match(uses);
        if (!match.Success)
        {
            stage.Fault("uses", $"'{uses}' is not of the form takt/NAME@1");
            return;
        }
        var name = match.Groups["name"].Value;
        if (Kind(name) is not { } kind)
        {
            stage.Fault("uses", $"no step kind 'takt/{name}'{Nearest.Hint(name, kinds.Select(k => k.Name))}");
            return;
        }
        if (match.Groups["version"].Value != kind.Version.ToString())
            stage.Fault("uses", $"takt/{name}@{match.Groups["version"].Value} is not there; this version has takt/{name}@{kind.Version}");
        foreach (var key in (string[])["in", "out"])
            if (stage.Has(key)) stage.Fault(key, $"takt/{name} tells its own {key}puts; leave {key}: out");
        if (stage.Section("with") is not { } with)
        {
            stage.Fault("uses", $"takt/{name} needs arguments under with:");
            return;
        }
        Add(stage, stage.Name, name, with, needs, Paths(stage, "metrics"), timeout, Chosen(stage));
    }

    void ReadGate(StepArguments gate)
    {
        ToCome(gate, "approve");
        var after = gate.TextOrNull("after");
        Add(gate, $"gates.{gate.Name}", "gate", gate, after is null ? [] : [after]);
    }

    void ReadDeploy(StepArguments deploy)
    {
        Add(deploy, $"deploy.{deploy.Name}", "deploy", deploy, deploy.Texts("needs"));
    }

    void Add(StepArguments at, string name, string kindName, StepArguments with, IReadOnlyList<string> needs,
        IReadOnlyList<string>? metrics = null, TimeSpan? timeout = null, IReadOnlyDictionary<string, string>? chosen = null)
    {
        if (Kind(kindName) is not { } kind)
        {
            at.Fault("", $"this Takt has no step kind '{kindName}'");
            return;
        }
        var declared = kind.Declare(with);
        _stages.Add(new Stage
        {
            Name = name,
            Kind = kind,
            With = with,
            In = Within(declared.In, at),
            Out = Within(declared.Out, at),
            Metrics = [.. Within(declared.Metrics, at).Union(metrics ?? [])],
            Params = chosen ?? new Dictionary<string, string>(),
            Env = new Dictionary<string, string>(),
            Secrets = [],
            Needs = needs,
            Timeout = timeout,
            At = at.At,
        });
    }

    /// <summary>A gate reads the metrics of the stage that it stands after.</summary>
    List<Stage> WithGateInputs() => _stages.ConvertAll(stage => stage.Kind?.Name == "gate"
        ? stage with { In = [.. stage.In.Union(_stages.Where(s => stage.Needs.Contains(s.Name)).SelectMany(s => s.Metrics))] }
        : stage);

    void CheckNames(StepArguments root)
    {
        var names = _stages.Select(s => s.Name).ToHashSet();
        for (var i = 0; i < _stages.Count; i++)
        {
            var stage = _stages[i];
            var needs = new List<string>();
            foreach (var need in stage.Needs)
            {
                // within deploy: its neighbours are named without the section
                if (names.Contains(need)) needs.Add(need);
                else if (names.Contains($"deploy.{need}")) needs.Add($"deploy.{need}");
                else root.FaultAt(stage.At, $"{stage.Name} needs '{need}', which is no stage{Nearest.Hint(need, names)}");
            }
            _stages[i] = stage with { Needs = needs };
        }
        foreach (var twice in _stages.GroupBy(s => s.Name).Where(g => g.Count() > 1))
            root.FaultAt(twice.Last().At, $"two stages are named '{twice.Key}'");
        foreach (var odd in _stages.Where(s => !StageName().IsMatch(s.Name)))
            root.FaultAt(odd.At, $"'{odd.Name}' is no stage name: letters, digits, _ - and ., 100 at most");
        var outputs = _stages.SelectMany(s => s.AllOutputs.Select(path => (path, s))).OrderBy(o => o.path, StringComparer.Ordinal).ToList();
        foreach (var (outer, inner) in outputs.Where(o => o.path.EndsWith('/')).SelectMany(o => outputs.Where(i => i.path != o.path && i.path.StartsWith(o.path, StringComparison.Ordinal)).Select(i => (o, i))))
            root.FaultAt(inner.s.At, $"{inner.s.Name} writes {inner.path} within {outer.path}, which {outer.s.Name} writes; an output can't stand in another");
        foreach (var shared in _stages.SelectMany(s => s.AllOutputs.Select(path => (path, s))).GroupBy(o => o.path).Where(g => g.Count() > 1))
            root.FaultAt(shared.Last().s.At, $"{shared.Last().s.Name} and {shared.First().s.Name} both write {shared.Key}; an output has one producer");
    }

    MonitorSpec ReadMonitor(StepArguments monitor)
    {
        ToCome(monitor, "reference", "alert");
        var drift = monitor.Section("drift");
        var performance = monitor.Section("performance");
        _ = drift?.Choice("method", "psi");
        if (performance is not null)
        {
            ToCome(performance, "labels");
            _ = performance.TextOrNull("label");
        }
        return new MonitorSpec(
            monitor.Name,
            monitor.TextOrNull("endpoint") ?? monitor.Name,
            drift?.Duration("window", TimeSpan.FromDays(1)) ?? TimeSpan.FromDays(1),
            drift?.Integer("min-rows", 1000) ?? 1000,
            drift?.Number("threshold", 0.2) ?? double.PositiveInfinity,
            performance?.Choice("metric", "log_loss", "auc", "brier", "accuracy", "rmse", "mae"),
            performance?.Number("drop", 0.03) ?? 0,
            performance?.NumberOrNull("calibration"),
            drift is null ? null : ReadBaseline(drift),
            monitor.Has("silence") ? monitor.Duration("silence", TimeSpan.FromDays(1)) : null)
        {
            Lateness = drift?.Duration("lateness", TimeSpan.FromMinutes(5)) ?? TimeSpan.FromMinutes(5),
        };
    }

    /// <summary><c>NAME@REF</c>, or <c>{ predictions: N }</c>, or <c>{ time: 7d }</c>.</summary>
    static BaselineSpec? ReadBaseline(StepArguments drift)
    {
        if (!drift.Has("baseline")) return null;
        if (!drift.IsSection("baseline") || drift.Section("baseline") is not { } baseline)
        {
            var reference = drift.Text("baseline");
            if (reference.Length > 0 && !reference.Contains('@', StringComparison.Ordinal)) drift.Fault("baseline", $"'{reference}' must name a version of a dataset, NAME@REF, or be {{ predictions: N }} or {{ time: 7d }}");
            return new BaselineSpec(reference, null, null);
        }
        long? predictions = baseline.Has("predictions") ? baseline.Integer("predictions", 1000) : null;
        TimeSpan? time = baseline.Has("time") ? baseline.Duration("time", TimeSpan.FromDays(7)) : null;
        if ((predictions is null) == (time is null)) drift.Fault("baseline", "baseline has one of predictions: and time:");
        if (predictions is < 1 or > 1_000_000) baseline.Fault("predictions", $"predictions is {predictions}; 1 to 1000000 are allowed");
        if (time < TimeSpan.FromSeconds(1)) baseline.Fault("time", "time must be a second at least");
        return new BaselineSpec(null, predictions, time);
    }

    static List<DriftTrigger> ReadTriggers(StepArguments root, List<MonitorSpec> monitors)
    {
        if (root.Section("triggers") is not { } triggers) return [];
        ToCome(triggers, "push", "pull_request", "data", "schedule", "webhook");
        if (triggers.Section("drift") is not { } drift) return [];
        var monitor = drift.Text("monitor");
        if (monitor.Length > 0 && monitors.All(m => m.Name != monitor))
            drift.Fault("monitor", $"no monitor '{monitor}'{Nearest.Hint(monitor, monitors.Select(m => m.Name))}");
        return [new DriftTrigger(monitor, drift.Duration("cooldown", TimeSpan.FromDays(1)))];
    }

    static IEnumerable<string> Condition(StepArguments stage, string condition)
    {
        foreach (var part in condition.Split("&&", StringSplitOptions.TrimEntries))
        {
            var match = GatePassed().Match(part);
            if (match.Success) yield return match.Groups["gate"].Value;
            else stage.Fault("if", $"'{part}' is not supported yet; a condition is gates.NAME.passed, several joined by &&");
        }
    }

    /// <summary>A chosen name takes all params below it too.</summary>
    IReadOnlyDictionary<string, string> Chosen(StepArguments stage)
    {
        var chosen = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var name in stage.Texts("params"))
        {
            var found = false;
            foreach (var (key, value) in parameters)
                if (key == name || key.StartsWith(name + ".", StringComparison.Ordinal))
                {
                    chosen[key] = value;
                    found = true;
                }
            if (!found) stage.Fault("params", $"no param '{name}'{Nearest.Hint(name, parameters.Keys)}");
        }
        return chosen;
    }

    static List<string> Paths(StepArguments stage, string key) => Within(stage.Texts(key), stage, key);

    /// <summary>Paths of one form, none of which leaves the project's folder or is the folder itself: outputs are removed before a stage runs.</summary>
    static List<string> Within(IEnumerable<string> paths, StepArguments stage, string key = "")
    {
        var all = new List<string>();
        foreach (var written in paths.Where(p => p.Length > 0))
        {
            var path = written;
            while (path.StartsWith("./", StringComparison.Ordinal)) path = path[2..];
            var parts = path.TrimEnd('/').Split('/');
            if (path is "" or "." || Path.IsPathRooted(path) || parts.Any(p => p is ".." or "." or ".takt" or ".git"))
                stage.Fault(key, $"'{written}' must be a path within the project's folder, not the folder itself, .takt or .git");
            else all.Add(path);
        }
        return all;
    }

    static TimeSpan? Timeout(StepArguments stage) => stage.Has("timeout") ? stage.Duration("timeout", TimeSpan.FromHours(1)) : null;

    static void ToCome(StepArguments section, params string[] keys)
    {
        foreach (var key in keys)
            if (section.HasToCome(key)) section.Fault(key, $"'{key}' is not supported yet");
    }

    IStepKind? Kind(string name) => kinds.FirstOrDefault(k => k.Name == name);

    [GeneratedRegex(@"^[A-Za-z0-9][\w.-]{0,99}$")]
    private static partial Regex StageName();

    [GeneratedRegex(@"^takt/(?<name>[a-z][a-z0-9-]*)@(?<version>\d+)$")]
    private static partial Regex Uses();

    [GeneratedRegex(@"^(?<gate>gates\.[\w-]+)\.passed$")]
    private static partial Regex GatePassed();
}
