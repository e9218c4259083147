using Takt.Data;
using Takt.Deployments;
using Takt.Models;

namespace Takt.Protocols.Tests;

/// <summary>A model that answers when it is let: in the place of a <see cref="ServedModel"/>'s revision.</summary>
sealed class GatedModel : ILoadedModel
{
    readonly ManualResetEventSlim _open = new();
    int _begun;

    public Signature Signature { get; } = new([new Field("x", FieldType.Double), new Field("c", FieldType.String)], [new Field("probability", FieldType.Double)]);

    /// <summary>Requests that it was asked, answered or not.</summary>
    public int Begun => Volatile.Read(ref _begun);

    public string? Unready { get; set; }

    public static GatedModel InPlaceOf(ServedModel served, LimitSpec? limits = null, int inside = 1)
    {
        var (model, router) = (new GatedModel(), served.Server.App.Router);
        var revision = router.Find("m")!.Champion.Revision;
        router.Set("m", new Route(new Slot(revision with { Spec = revision.Spec with { Limits = limits } }, model, inside), null, 0));
        return model;
    }

    public void Open() => _open.Set();

    public async Task HasBegun(int requests = 1)
    {
        while (Begun < requests) await Task.Delay(5);
    }

    public Table Predict(Table inputs)
    {
        Interlocked.Increment(ref _begun);
        _open.Wait();
        return new Table([Column.Of("probability", new double[inputs.Rows])]);
    }

    public void Dispose() => _open.Set();
}
