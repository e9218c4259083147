using Takt.Data;
using Takt.Models;

namespace Takt.Deployments;

/// <summary>Loads and warms revisions beside the rollouts, which wait for none of them for long.</summary>
/// <remarks>Not safe for concurrent use; what is loaded is loaded on threads of its own.</remarks>
/// <param name="connect">Reaches a model elsewhere; null: there is none.</param>
sealed class RevisionLoader(ModelRegistry registry, Func<RemoteEndpoint, CancellationToken, Task<ILoadedModel>>? connect)
{
    /// <summary>Loading goes on beside; the others are not held up for longer.</summary>
    static readonly TimeSpan LoadPatience = TimeSpan.FromSeconds(2);

    /// <summary>Until a model is asked for again that could not be fetched.</summary>
    static readonly TimeSpan BetweenTries = TimeSpan.FromSeconds(1);

    readonly Dictionary<(string Endpoint, int Revision, DateTimeOffset Made, string Model), Task<(Slot? Slot, string Why)>> _loading = [];
    readonly HashSet<(string, int, DateTimeOffset, string)> _wanted = [];

    /// <summary>A round begins: what nobody asks for until <see cref="Forget"/> is loaded for nothing.</summary>
    public void Begin() => _wanted.Clear();

    /// <summary>Lets go of what was loaded for nothing.</summary>
    public async Task Forget()
    {
        foreach (var (key, load) in _loading.Where(l => !_wanted.Contains(l.Key) && l.Value.IsCompleted).ToList())
        {
            _loading.Remove(key);
            (await load).Slot?.Dispose();
        }
    }

    /// <summary>Loads it beside, and waits a little.</summary>
    /// <returns>No slot and no reason: it takes longer; ask again.</returns>
    public async Task<(Slot? Slot, string Why)> Loaded(Revision revision, CancellationToken cancel)
    {
        var key = (revision.Endpoint, revision.Number, revision.CreatedAt, revision.Name);
        _wanted.Add(key);
        if (!_loading.TryGetValue(key, out var load)) _loading[key] = load = Task.Run(() => Load(revision), CancellationToken.None);
        try
        {
            await load.WaitAsync(LoadPatience, TimeProvider.System, cancel);
        }
        catch (TimeoutException) when (!load.IsCompleted)
        {
            return (null, "");
        }
        finally
        {
            if (load.IsCompleted) _loading.Remove(key); // also one that has thrown: else it would be what every later round finds
        }
        return await load;
    }

    /// <summary>Loads and warms it; only then can it take traffic.</summary>
    async Task<(Slot? Slot, string Why)> Load(Revision revision)
    {
        if (revision.Model is null && revision.Spec.Remote is null) return (new Slot(revision, null), "");
        if (revision.Model is { } wanted)
            try
            {
                if (registry.Resolve(wanted) is { Package: not null } there) await registry.PackageFolder(there);
            }
            catch (Exception e) when (e is TaktException { Error: TaktError.Unavailable } or OperationCanceledException) // a time-out deep within: nobody cancels a load
            {
                await Task.Delay(BetweenTries);
                return (null, ""); // the store or the database is out: that says nothing about the model
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                // told below
            }
        try
        {
            var model = revision.Model is { } version ? await registry.Load(registry.Resolve(version), settings: revision.Spec.Runtime)
                : connect is not null ? await connect(revision.Spec.Remote!, CancellationToken.None) : throw new TaktException(TaktError.NotSupported, "this server reaches no models elsewhere");
            try
            {
                if (StickyKey.Parse(revision.Spec.Sticky) is { IsHeader: false } sticky && !model.Signature.Inputs.Any(f => f.Name == sticky.Name))
                    throw TaktException.Invalid($"sticky: column {sticky.Name} is no input of {revision.Name}; it has {string.Join(", ", model.Signature.Inputs.Select(f => f.Name))}");
                if (!model.IsWarm && model.Signature.Inputs.Count > 0) model.Predict(Blank(model.Signature));
                if (revision.Spec.Smoke is not null && model.Signature.Inputs.Count == 0) throw TaktException.Invalid($"smoke: {revision.Model} takes tensors, not rows; leave smoke: out");
                if (revision.Spec.Smoke is { } smoke) model.Predict(SmokeRows.ToTable(smoke, model.Signature));
                return (new Slot(revision, model, model.Inside), "");
            }
            catch
            {
                model.Dispose();
                throw;
            }
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            return (null, e is TaktException ? e.Message : $"{e.GetType().Name}: {e.Message}"); // whatever a package does, it must not stop the others
        }
    }

    /// <summary>One row of nothing, so that the first real request finds everything paged in and compiled.</summary>
    static Table Blank(Signature signature) => new(signature.Inputs.Select(field => field.Type switch
    {
        FieldType.String or FieldType.Binary => Column.Of(field.Name, new string?[1]),
        FieldType.Boolean => Column.Of(field.Name, new bool[1]),
        FieldType.Integer or FieldType.Long or FieldType.Datetime => Column.Of(field.Name, new long[1]),
        _ => Column.Of(field.Name, [double.NaN]),
    }).ToList());
}
