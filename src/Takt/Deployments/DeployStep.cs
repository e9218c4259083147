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
    public string Name => "deploy";

    public StepDeclaration Declare(StepArguments with)
    {
        _ = Read(with);
        return new StepDeclaration([], []);
    }

    public ValueTask<IReadOnlyDictionary<string, string>> Facts(StepContext context, CancellationToken cancel)
    {
        var model = Read(context.With).Model;
        return new(model is null ? new Dictionary<string, string>() : new Dictionary<string, string> { ["model"] = registry.Find(model)?.Reference ?? "none" });
    }

    /// <summary>A deployment that was rolled back stays so until there is another version; only one that is gone is made again.</summary>
    public ValueTask<bool> StillHolds(StepContext context, IReadOnlyDictionary<string, string> tags, CancellationToken cancel) =>
        new(book.Find(Read(context.With).Spec.Endpoint) is not null);

    public async Task<StepOutcome> Run(StepContext context, CancellationToken cancel)
    {
        var (model, spec) = Read(context.With);
        var version = model is null ? null : registry.Resolve(model).Reference;
        var tags = new Dictionary<string, string> { ["takt.endpoint"] = spec.Endpoint };
        if (version is not null) tags["takt.model"] = version;
        var deployment = book.Find(spec.Endpoint);
        if (version is not null && deployment?.Rollout is not { Active: true } && deployment?.Live?.Model == version)
            return new StepOutcome($"{spec.Endpoint} serves {version} already", new Dictionary<string, double>(), tags);
        var rollout = await book.Deploy(spec, version);
        var how = rollout.Champion is null ? "goes live when the server sees it" : $"canary {string.Join(", ", spec.Canary.Select(s => s.ToString("P0")))}";
        return new StepOutcome($"{spec.Endpoint}: revision {rollout.Revision} ({version ?? spec.Upstream!.Model}), {how}", new Dictionary<string, double>(), tags);
    }

    static (string? Model, DeploymentSpec Spec) Read(StepArguments with)
    {
        var endpoint = with.TextOrNull("endpoint") ?? with.Name;
        if (!EndpointName().IsMatch(endpoint)) with.Fault("endpoint", $"'{endpoint}' is no endpoint name: letters, digits, _ and -, 64 at most");
        var upstream = Upstream(with.Section("upstream"));
        var model = with.TextOrNull("model");
        if (model is null == upstream is null) with.Fault("model", "a deployment has either model: NAME@ALIAS or upstream:");
        if (model is not null && model.IndexOf('@') <= 0) with.Fault("model", $"'{model}' must name a version: NAME@ALIAS or NAME@NUMBER");
        _ = with.Texts("needs");
        var alias = with.Section("then")?.TextOrNull("alias");
        if (alias is not null && !ModelRegistry.IsAlias(alias)) with.Fault("then", $"'{alias}' is no alias: letters, digits, _ and -, and no number");
        var (sample, redact) = Log(with.Section("log"));
        var strategy = with.Section("strategy");
        var canary = strategy is null ? [1.0] : Canary(strategy);
        var (stepTime, stepRequests) = strategy is null ? (TimeSpan.Zero, 0L) : Step(strategy);
        return (model, new DeploymentSpec(endpoint, canary, stepTime, stepRequests, strategy is null ? [] : Rules(strategy),
            alias, with.Choice("rollback", "automatic", "manual") == "automatic", upstream, sample, redact));
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

    [GeneratedRegex(@"^[A-Za-z0-9][\w-]{0,63}$")]
    private static partial Regex EndpointName();

    [GeneratedRegex(@"^\$\{secrets\.(\w+)\}$")]
    private static partial Regex SecretName();
}
