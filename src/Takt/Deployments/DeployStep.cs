using System.Text.Json;
using System.Text.RegularExpressions;
using Takt.Evaluation;
using Takt.Models;
using Takt.Pipelines;

namespace Takt.Deployments;

/// <summary>
/// <c>deploy</c>: wants an endpoint's traffic moved to a model version, or to an LLM's upstream. The server moves it; the step does not wait, since a
/// canary may take days.
/// </summary>
public sealed partial class DeployStep(DeploymentBook book, ModelRegistry registry) : IStepKind
{
    const string AllAtOnce = "all-at-once", BlueGreen = "blue-green";
    const int MostShadows = 8;

    /// <summary>How long a blue-green rollout keeps the revision before, where nothing else is said.</summary>
    static readonly TimeSpan Kept = TimeSpan.FromMinutes(30);

    public string Name => "deploy";

    public StepDeclaration Declare(StepArguments with)
    {
        _ = Read(with);
        return new StepDeclaration(with.TextOrNull("smoke") is { } smoke ? [smoke] : [], []);
    }

    public ValueTask<IReadOnlyDictionary<string, string>> Facts(StepContext context, CancellationToken cancel)
    {
        var (model, spec) = Read(context.With);
        var facts = new Dictionary<string, string>();
        if (model is not null) facts["model"] = registry.Find(model)?.Reference ?? "none";
        foreach (var shadow in spec.Shadows ?? []) facts["shadow " + shadow.Model] = registry.Find(shadow.Model)?.Reference ?? "none";
        return new(facts);
    }

    /// <summary>A deployment that was rolled back stays so until there is another version; only one that is gone is made again.</summary>
    public ValueTask<bool> StillHolds(StepContext context, IReadOnlyDictionary<string, string> tags, CancellationToken cancel) =>
        new(book.Find(Read(context.With).Spec.Endpoint) is not null);

    public async Task<StepOutcome> Run(StepContext context, CancellationToken cancel)
    {
        var (model, spec) = Read(context.With);
        var version = model is null ? null : registry.Resolve(model).Reference;
        if (spec.Shadows is { } shadows) spec = spec with { Shadows = [.. shadows.Select(s => s with { Model = registry.Resolve(s.Model).Reference })] };
        if (context.With.TextOrNull("smoke") is { } smoke) spec = spec with { Smoke = SmokeRows.Read(Path.Combine(context.Folder, smoke)) };
        var tags = new Dictionary<string, string> { ["takt.endpoint"] = spec.Endpoint };
        if (version is not null) tags["takt.model"] = version;
        var deployment = book.Find(spec.Endpoint);
        if (version is not null && deployment?.Rollout is not { Active: true } && deployment?.Live is { } live && live.Model == version && Lasting(live.Spec) == Lasting(spec))
            return new StepOutcome($"{spec.Endpoint} serves {version} already", new Dictionary<string, double>(), tags);
        var rollout = await book.Deploy(spec, version);
        var how = rollout.Champion is null ? "goes live when the server sees it" : How(spec);
        return new StepOutcome($"{spec.Endpoint}: revision {rollout.Revision} ({version ?? spec.Elsewhere}), {how}", new Dictionary<string, double>(), tags);
    }

    /// <summary>What of a spec still matters when its rollout is over.</summary>
    static string Lasting(DeploymentSpec spec) => JsonSerializer.Serialize(
        spec with { Canary = [1], StepTime = TimeSpan.Zero, StepRequests = 0, AbortIf = [], RollbackAutomatically = true, Shadow = null, Analysis = null, Strategy = "", Smoke = null }, DeploymentsJson.Default.DeploymentSpec);

    static string How(DeploymentSpec spec) => (spec.Shadow is { } shadow ? $"copies of {shadow.Sample:P0} of the requests first{(shadow.Approve ? ", then an approval" : "")}, then " : "")
        + (spec.Strategy == "blue-green" ? $"all at once, the one before is kept for {spec.StepTime:g}" : spec.Canary.Count == 1 ? "all at once" : $"canary {string.Join(", ", spec.Canary.Select(s => s.ToString("P0")))}");

    static (string? Model, DeploymentSpec Spec) Read(StepArguments with)
    {
        var endpoint = with.TextOrNull("endpoint") ?? with.Name;
        if (!EndpointName().IsMatch(endpoint)) with.Fault("endpoint", $"'{endpoint}' is no endpoint name: letters, digits, _ and -, 64 at most");
        var upstream = Upstream(with.Section("upstream"));
        var remote = Remote(with);
        var model = with.TextOrNull("model");
        if ((model is null ? 0 : 1) + (upstream is null ? 0 : 1) + (remote is null ? 0 : 1) != 1) with.Fault("model", "a deployment has one of model: NAME@ALIAS, remote: or upstream:");
        if (model is not null && model.IndexOf('@') <= 0) with.Fault("model", $"'{model}' must name a version: NAME@ALIAS or NAME@NUMBER");
        _ = with.Texts("needs");
        var alias = with.Section("then")?.TextOrNull("alias");
        if (alias is not null && !ModelRegistry.IsAlias(alias)) with.Fault("then", $"'{alias}' is no alias: letters, digits, _ and -, and no number");
        if (alias is not null && model is null) with.Fault("then", $"{(upstream is not null ? "an LLM" : "a remote")} deployment has no model version that could get an alias");
        var (sample, redact) = Log(with.Section("log"));
        var sticky = with.TextOrNull("sticky");
        if (sticky is not null && StickyKey.Parse(sticky) is null) with.Fault("sticky", $"'{sticky}' must be 'header NAME' or 'column NAME'");
        if (upstream is not null && StickyKey.Parse(sticky) is { IsHeader: false }) with.Fault("sticky", "an LLM deployment has no columns; use sticky: header NAME");
        if (with.TextOrNull("smoke") is not null && upstream is not null) with.Fault("smoke", "an LLM deployment has no rows to be asked; leave smoke: out");
        var shadows = Shadows(with, upstream is not null);
        var limits = Limits.Read(with.Section("limits"), upstream is not null);
        var spec = new DeploymentSpec(endpoint, [1], TimeSpan.Zero, 0, [], alias, with.Choice("rollback", "automatic", "manual") == "automatic", upstream, sample, redact, sticky, shadows, Strategy: AllAtOnce, Runtime: Batch(with, Python(with)), Remote: remote, Limits: limits);
        if (spec.Runtime is not null && model is null) with.Fault(with.Has("python") ? "python" : "batch", $"{(upstream is not null ? "an LLM" : "a remote")} deployment has no model of its own; leave python: and batch: out");
        return (model, Strategy(with, spec with { Traces = Traces(with.Section("traces")) }));
    }

    static TraceSpec? Traces(StepArguments? with) => with is null ? null : new TraceSpec(Part(with, "sample", 1), with.TextOrNull("experiment"));

    /// <summary><c>python: /usr/bin/python3</c>, or a mapping.</summary>
    static RuntimeSettings? Python(StepArguments with)
    {
        if (!with.Has("python")) return null;
        if (!with.IsSection("python") || with.Section("python") is not { } python) return with.TextOrNull("python") is { Length: > 0 } only ? new RuntimeSettings(only) : null;
        int? Number(string key, int most)
        {
            if (!python.Has(key)) return null;
            var number = python.Integer(key, 1);
            if (number < 1 || number > most) python.Fault(key, $"{key} is {number}; 1 to {most} are allowed");
            return (int)Math.Clamp(number, 1, most);
        }
        TimeSpan? Time(string key, TimeSpan most)
        {
            if (!python.Has(key)) return null;
            var time = python.Duration(key, TimeSpan.FromSeconds(1));
            if (time > most) python.Fault(key, $"{key} is over {most}");
            return time;
        }
        long? memory = null;
        if (python.TextOrNull("memory") is { } size)
        {
            if (!Quantity.TrySize(size, out var bytes) || bytes < 64 << 20) python.Fault("memory", $"'{size}' is not a size such as 2GB, 64MB at least");
            else memory = bytes;
        }
        return new RuntimeSettings(python.TextOrNull("interpreter"), Number("workers", 64), Number("batch", 1_000_000), Time("delay", TimeSpan.FromSeconds(10)), Time("timeout", TimeSpan.FromHours(1)), memory);
    }

    /// <summary><c>batch: { rows: 32, delay: 1ms }</c>: of a model of tensors; a Python model says it under <c>python:</c>.</summary>
    static RuntimeSettings? Batch(StepArguments with, RuntimeSettings? settings)
    {
        if (!with.Has("batch") || with.Section("batch") is not { } batch) return settings;
        if (settings is not null) batch.Fault("rows", "a Python deployment says batch: and delay: under python:; leave batch: out");
        var rows = batch.Integer("rows", 32);
        if (rows is < 2 or > 65_536) batch.Fault("rows", $"rows is {rows}; 2 to 65536 are allowed: rows of one merged run");
        var delay = batch.Has("delay") ? batch.Duration("delay", TimeSpan.Zero) : TimeSpan.Zero;
        if (delay > TimeSpan.FromSeconds(10)) batch.Fault("delay", "delay is over 10 s: how long a request may wait for others to be merged with");
        return new RuntimeSettings(BatchRows: (int)Math.Clamp(rows, 2, 65_536), BatchDelay: delay);
    }

    static List<ShadowSpec>? Shadows(StepArguments with, bool llm)
    {
        var shadows = new List<ShadowSpec>();
        foreach (var entry in with.Sections("shadows"))
        {
            var model = entry.Text("model");
            if (model.IndexOf('@') <= 0) entry.Fault("model", $"'{model}' must name a version: NAME@ALIAS or NAME@NUMBER");
            shadows.Add(new ShadowSpec(model, Part(entry, "sample", 1)));
        }
        if (shadows.Count > MostShadows) with.Fault("shadows", $"{shadows.Count} shadows; {MostShadows} are allowed");
        if (shadows.Count > 0 && llm) with.Fault("shadows", "the requests of an LLM deployment are not copied: each copy would be paid for; leave shadows: out");
        return shadows.Count == 0 ? null : shadows;
    }

    /// <summary><c>all-at-once</c>, <c>blue-green</c>, or a mapping.</summary>
    static DeploymentSpec Strategy(StepArguments with, DeploymentSpec spec)
    {
        if (!with.IsSection("strategy") || with.Section("strategy") is not { } strategy)
        {
            var text = with.TextOrNull("strategy") ?? AllAtOnce;
            if (text is BlueGreen) return spec with { Strategy = BlueGreen, StepTime = Kept };
            if (text is not AllAtOnce) with.Fault("strategy", $"'{text}' is no strategy: all-at-once, blue-green, or a mapping with canary:, shadow: or blue-green:");
            return spec;
        }
        var (canary, blueGreen) = (strategy.Texts("canary"), strategy.TextOrNull(BlueGreen));
        if (canary.Count > 0 && blueGreen is not null) strategy.Fault(BlueGreen, "a strategy is either canary: or blue-green:");
        spec = spec with { AbortIf = Rules(strategy), Shadow = Shadow(strategy.Section("shadow")) };
        if (blueGreen is not null)
        {
            spec = spec with { Strategy = BlueGreen, StepTime = strategy.Duration(BlueGreen, Kept) };
            if (strategy.TextOrNull("step") is not null || strategy.IsSection("step")) strategy.Fault("step", "blue-green: says itself how long the revision before is kept; leave step: out");
        }
        else if (canary.Count > 0 || spec.Shadow is null)
        {
            var (time, requests) = Step(strategy);
            spec = spec with { Strategy = "canary", Canary = Canary(strategy), StepTime = time, StepRequests = requests };
        }
        else if (strategy.Has("step") && strategy.TextOrNull("step") is not null) strategy.Fault("step", "there are no canary: steps that it could be of; how long the copies go on stands under shadow:");
        if (spec.Shadow is not null)
        {
            if (spec.Strategy == AllAtOnce) spec = spec with { Strategy = "shadow" };
            if (spec.Upstream is not null) strategy.Fault("shadow", "the requests of an LLM deployment are not copied: each copy would be paid for; use canary:");
        }
        var sideBySide = spec.Shadow is not null || spec.Canary.Any(share => share < 1);
        return spec with { Analysis = Analysis(strategy, spec, sideBySide) };
    }

    static ShadowStep? Shadow(StepArguments? shadow)
    {
        if (shadow is null) return null;
        var requests = shadow.Integer("requests", 0);
        if (requests < 0) shadow.Fault("requests", "requests must not be below 0");
        var time = shadow.Has("time") ? shadow.Duration("time", TimeSpan.Zero) : requests > 0 ? TimeSpan.Zero : TimeSpan.FromHours(1);
        return new ShadowStep(Part(shadow, "sample", 1), time, FewestOf(requests), shadow.Choice("then", "promote", "approve") == "approve");
    }

    static AnalysisSpec? Analysis(StepArguments strategy, DeploymentSpec spec, bool sideBySide)
    {
        var fallback = sideBySide ? AnalysisSpec.Default : null;
        if (!strategy.IsSection("analysis") || strategy.Section("analysis") is not { } analysis)
        {
            if (strategy.TextOrNull("analysis") is not { } text) return fallback;
            if (text != "none") strategy.Fault("analysis", $"'{text}' must be none, or a mapping such as {{ errors: 1%, latency: 10% }}");
            return null;
        }
        double? Margin(string key)
        {
            if (analysis.TextOrNull(key) is not { } text) return null;
            if (Quantity.TryShare(text, out var margin) && margin < 1) return margin;
            analysis.Fault(key, $"'{text}' is not a tolerated difference such as 1%");
            return null;
        }
        var (errors, latency, score, label) = (Margin("errors"), Margin("latency"), Margin("score"), Margin("label"));
        if (errors is null && latency is null && score is null && label is null && !analysis.Has("errors")) errors = AnalysisSpec.Default.Errors;
        var alpha = analysis.Number("alpha", AnalysisSpec.Default.Alpha);
        if (alpha is not (> 0 and <= 0.5)) analysis.Fault("alpha", "alpha must be above 0 and at most 0.5: the chance that a harmless revision is rolled back");
        var scale = analysis.Number("scale", 1);
        if (scale is not (> 0 and < double.PositiveInfinity)) analysis.Fault("scale", "scale must be a number above 0: what outputs are divided by");
        var absolute = analysis.Choice("loss", "squared", "absolute") == "absolute";
        var pass = analysis.Choice("pass", "time", "evidence", "either") switch { "evidence" => StepPass.Evidence, "either" => StepPass.Either, _ => StepPass.Time };
        if (pass != StepPass.Evidence && analysis.TextOrNull("wait") is not null) analysis.Fault("wait", "wait: is how long pass: evidence waits for it; leave it out");
        if (!sideBySide) strategy.Fault("analysis", "no step has both revisions side by side that could be compared; use a canary below 100% or shadow:, or abort-if:");
        if (label is null && absolute) analysis.Fault("loss", "loss: is of label:, which is not there");
        if (score is null && label is null && scale != 1) analysis.Fault("scale", "scale: is of score: and label:, which are not there");
        if ((score is not null || label is not null) && spec.Upstream is not null) analysis.Fault(score is not null ? "score" : "label", "an LLM deployment has no numbers to compare; use errors: and latency:");
        if ((score is not null || label is not null) && spec.LogSample == 0) analysis.Fault(score is not null ? "score" : "label", "it is read from the prediction log, and log: { sample: 0% } keeps none");
        return new AnalysisSpec(errors, latency, score, label, alpha, pass, analysis.Duration("wait", AnalysisSpec.Default.Wait), scale, absolute);
    }

    /// <summary>A share above 0.</summary>
    static double Part(StepArguments with, string key, double fallback)
    {
        if (with.TextOrNull(key) is not { } text) return fallback;
        if (Quantity.TryShare(text, out var share) && share > 0) return share;
        with.Fault(key, $"'{text}' is not a share above 0 such as 10%");
        return fallback;
    }

    static (double Sample, IReadOnlyList<string>? Redact) Log(StepArguments? log)
    {
        if (log is null) return (1, null);
        var sample = 1.0;
        if (log.TextOrNull("sample") is { } text && !Quantity.TryShare(text, out sample)) log.Fault("sample", $"'{text}' is not a share such as 10%");
        var redact = log.Texts("redact");
        return (sample, redact.Count == 0 ? null : redact);
    }

    static List<double> Canary(StepArguments strategy)
    {
        var shares = new List<double>();
        foreach (var text in strategy.Texts("canary"))
            if (Quantity.TryShare(text, out var share) && share > 0) shares.Add(share);
            else strategy.Fault("canary", $"'{text}' is not a share such as 10%");
        if (shares.Count == 0) shares.Add(1);
        for (var i = 1; i < shares.Count; i++)
            if (shares[i] <= shares[i - 1]) strategy.Fault("canary", "the shares of a canary must rise");
        if (shares[^1] != 1) strategy.Fault("canary", "a canary ends with 100%");
        return shares;
    }

    /// <summary>A duration, or a mapping of <c>time</c> and <c>requests</c>.</summary>
    static (TimeSpan Time, long Requests) Step(StepArguments strategy)
    {
        if (!strategy.Has("step")) return (TimeSpan.FromMinutes(5), FewestOf(0));
        if (strategy.IsSection("step") && strategy.Section("step") is { } step)
        {
            var requests = step.Integer("requests", 0);
            if (requests < 0) step.Fault("requests", "requests must not be below 0");
            return (step.Has("time") ? step.Duration("time", TimeSpan.Zero) : TimeSpan.Zero, FewestOf(requests));
        }
        return (strategy.Duration("step", TimeSpan.FromMinutes(5)), FewestOf(0));
    }

    /// <summary>No step is passed on the word of fewer requests than an analysis needs.</summary>
    static long FewestOf(long requests) => Math.Max(requests, Rollouts.FewestRequests);

    static IReadOnlyList<string> Rules(StepArguments strategy)
    {
        var rules = strategy.Texts("abort-if");
        foreach (var rule in rules)
            try
            {
                _ = GateRule.Parse(rule);
            }
            catch (TaktException e)
            {
                strategy.Fault("abort-if", e.Message);
            }
        return rules;
    }

    static Upstream? Upstream(StepArguments? with)
    {
        if (with is null) return null;
        var url = with.Text("url");
        if (!Uri.TryCreate(url, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https")) with.Fault("url", $"'{url}' is not an http address");
        string? secret = null;
        if (with.TextOrNull("key") is { } key)
        {
            var match = SecretName().Match(key);
            if (match.Success) secret = match.Groups[1].Value;
            else with.Fault("key", "key must be ${secrets.NAME}: a key itself never stands in this file");
        }
        return new Upstream(url.TrimEnd('/'), with.Text("model"), secret, (int)with.Duration("timeout", TimeSpan.FromSeconds(120)).TotalSeconds);
    }

    /// <summary><c>remote: http://…/v2/models/NAME</c>, or a mapping.</summary>
    static RemoteEndpoint? Remote(StepArguments with)
    {
        if (!with.Has("remote")) return null;
        var section = with.IsSection("remote") ? with.Section("remote") : null;
        var url = (section is null ? with.TextOrNull("remote") : section.Text("url")) ?? "";
        void UrlFault(string message)
        {
            if (section is null) with.Fault("remote", message);
            else section.Fault("url", message);
        }
        if (url.EndsWith("/infer", StringComparison.Ordinal)) url = url[..^"/infer".Length];
        url = url.TrimEnd('/');
        if (!Uri.TryCreate(url, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https")) UrlFault($"'{url}' is not an http address");
        else if (uri.UserInfo.Length > 0) UrlFault("the address holds a password; send it as a header: headers: { Authorization: \"Basic ${secrets.NAME}\" }");
        else if (uri.Query.Length > 0 || uri.Fragment.Length > 0 || !(uri.AbsolutePath.Contains("/v2/models/", StringComparison.Ordinal) || uri.AbsolutePath.EndsWith("/invocations", StringComparison.Ordinal)))
            UrlFault($"'{url}' must end as …/v2/models/NAME, …/v2/models/NAME/versions/N or …/invocations");
        if (section is null) return new RemoteEndpoint(url, null, TimeSpan.FromSeconds(30), 64, null, null);
        var headers = section.Map("headers");
        foreach (var (name, value) in headers)
            if (!HeaderName().IsMatch(name)) section.Fault("headers", $"'{name}' is no header name");
            else if (!AnySecret().IsMatch(value) && Confidential().IsMatch(name)) section.Fault("headers", $"{name} must be ${{secrets.NAME}}: what it holds never stands in this file");
        IReadOnlyList<Field>? Fields(string key)
        {
            var fields = new List<Field>();
            foreach (var (name, type) in section.Map(key))
                if (Enum.TryParse<FieldType>(type, ignoreCase: true, out var known) && !int.TryParse(type, out _)) fields.Add(new Field(name, known));
                else section.Fault(key, $"{name} is '{type}'; it may be boolean, integer, long, float, double, string, binary or datetime");
            return fields.Count == 0 ? null : fields;
        }
        var timeout = section.Duration("timeout", TimeSpan.FromSeconds(30));
        if (timeout > TimeSpan.FromHours(1)) section.Fault("timeout", "timeout is over an hour");
        var connections = section.Integer("connections", 64);
        if (connections is < 1 or > 4096) section.Fault("connections", $"connections is {connections}; 1 to 4096 are allowed");
        var (inputs, outputs) = (Fields("inputs"), Fields("outputs"));
        if (inputs is not null && !url.EndsWith("/invocations", StringComparison.Ordinal)) section.Fault("inputs", "a v2 endpoint says itself what it takes; leave inputs: out");
        if (inputs is null && url.EndsWith("/invocations", StringComparison.Ordinal)) section.Fault("inputs", "an /invocations endpoint can't say what it takes: inputs: { NAME: double }, and outputs: as well");
        return new RemoteEndpoint(url, headers.Count == 0 ? null : headers, timeout, (int)Math.Clamp(connections, 1, 4096), inputs, outputs);
    }

    [GeneratedRegex(@"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")]
    private static partial Regex HeaderName();

    [GeneratedRegex(@"\$\{secrets\.\w+\}")]
    private static partial Regex AnySecret();

    /// <summary>Headers by which somebody is known.</summary>
    [GeneratedRegex("authori[sz]ation|cookie|token|secret|passw|api.?key", RegexOptions.IgnoreCase)]
    private static partial Regex Confidential();

    [GeneratedRegex(@"^[A-Za-z0-9][\w-]{0,63}$")]
    private static partial Regex EndpointName();

    [GeneratedRegex(@"^\$\{secrets\.(\w+)\}$")]
    private static partial Regex SecretName();
}
