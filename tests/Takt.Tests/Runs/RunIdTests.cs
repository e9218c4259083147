namespace Takt.Tests.Runs;

public sealed class RunIdTests
{
    [Fact]
    public async Task Ids_of_later_runs_come_later_so_that_rows_of_runs_made_together_lie_together()
    {
        var ids = new List<string>();
        for (var i = 0; i < 20; i++)
        {
            ids.Add(RunId.New().Value);
            await Task.Delay(3, TestContext.Current.CancellationToken); // more than the millisecond that an id begins with
        }
        Assert.Equal(ids.Order(StringComparer.Ordinal), ids);
        Assert.All(ids, id => Assert.Matches("^[0-9a-f]{32}$", id));
    }
}
