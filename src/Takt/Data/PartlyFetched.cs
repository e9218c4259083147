using Takt.Storage;

namespace Takt.Data;

/// <summary>Versions of which a remote has more than there is here: what lacks of them is told with the command that brings it.</summary>
sealed class PartlyFetched(Database database)
{
    public async Task Guard(DatasetCommit version, Func<Task> work)
    {
        try
        {
            await work();
        }
        catch (TaktException e)
        {
            throw Explained(e, version);
        }
    }

    public TaktException Explained(TaktException e, params IEnumerable<DatasetCommit> versions) =>
        e.Error == TaktError.NotFound && versions.FirstOrDefault(version => version.Dropped is null && database.Read(session => DatasetTable.IsPartial(session, version.Dataset, version.Id))) is { } partly
            ? TaktException.NotFound($"only a part of {partly.Reference} is here; 'takt data fetch {partly.Dataset}@sha256:{partly.Id.Hex[..12]}' brings the rest") : e;
}
