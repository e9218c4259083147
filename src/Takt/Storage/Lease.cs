namespace Takt.Storage;

/// <summary>Held work; see <see cref="Leases"/>. It is renewed until it is disposed of, which lets others take it at once.</summary>
public sealed class Lease : IAsyncDisposable
{
    static readonly TimeSpan Beat = TimeSpan.FromSeconds(30);

    readonly Database _database;
    readonly TimeProvider _time;
    readonly string _owner, _name;
    readonly CancellationTokenSource _stop;
    readonly ITimer _beat;

    internal Lease(Database database, TimeProvider time, string owner, string name, CancellationToken cancel)
    {
        (_database, _time, _owner, _name) = (database, time, owner, name);
        _stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        Token = _stop.Token;
        _beat = time.CreateTimer(_ => _ = Renew(), null, Beat, Beat);
    }

    /// <summary>Cancelled with the caller's own, and when another has taken the work over.</summary>
    public CancellationToken Token { get; }

    /// <summary>Whether another has taken it over: this process was not heard of for too long.</summary>
    public bool IsLost { get; private set; }

    /// <summary>Ends the work in the transaction that writes what came of it.</summary>
    /// <returns>False: another has taken it over, and nothing may be written.</returns>
    public bool End(SqlSession session) => session.Execute($"delete from lease where name = {_name} and owner = {_owner}") > 0;

    /// <summary>Now rather than with the next beat.</summary>
    /// <returns>False: another has taken it over.</returns>
    public async Task<bool> Renew()
    {
        try
        {
            var until = _time.GetUtcNow() + Leases.Life;
            if (await _database.Write(session => session.Execute($"update lease set until = {until} where name = {_name} and owner = {_owner}")) > 0) return true;
            IsLost = true;
            await _stop.CancelAsync();
            return false;
        }
        catch (Exception e) when (e is TaktException or ObjectDisposedException)
        {
            return true; // the database is away: the lease runs out, or the next beat comes through
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _beat.DisposeAsync();
        try
        {
            await _database.Write(session => { End(session); });
        }
        catch (TaktException)
        {
            // it runs out
        }
        _stop.Dispose();
    }
}
