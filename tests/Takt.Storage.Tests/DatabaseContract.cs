namespace Takt.Storage.Tests;

/// <summary>What <see cref="Database"/> promises on every engine; each engine derives from this and passes it whole.</summary>
public abstract class DatabaseContract : IAsyncLifetime
{
    protected Database Database { get; private set; } = null!;

    /// <summary>An empty database; a second call opens the same one again.</summary>
    protected abstract Task<Database> Open();

    public async ValueTask InitializeAsync()
    {
        Database = await Open();
        await Database.Write(s =>
        {
            s.Execute($"create table n(v bigint primary key)");
            s.Execute($"create table counter(name text primary key, v bigint not null)");
            s.Execute($"create table mixed(i bigint, d double precision, t text, n text)");
        });
    }

    public virtual async ValueTask DisposeAsync()
    {
        await Database.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    static Task Insert(Database database, long v) => database.Write(s => { s.Execute($"insert into n(v) values({v})"); });

    long? Count() => Database.Read(s => s.Number($"select count(*) from n"));

    [Fact]
    public async Task Values_come_back_as_they_went_in()
    {
        var time = DateTimeOffset.FromUnixTimeMilliseconds(1_700_000_000_123);
        await Database.Write(s => { s.Execute($"insert into mixed(i, d, t, n) values({time}, {0.1 + 0.2}, {"Füße 🚀 ' \" \\ %"}, {(string?)null})"); });
        await Database.Write(s => { s.Execute($"insert into mixed(i, d, t) values({long.MinValue}, {double.Epsilon}, {""})"); });
        var rows = Database.Read(s => s.Query($"select i, d, t, n from mixed where d > {0.0} order by i desc", r => (r.Number(0), r.Real(1), r.Text(2), r.TextOrNull(3))));
        Assert.Equal([(time.ToUnixTimeMilliseconds(), 0.1 + 0.2, "Füße 🚀 ' \" \\ %", null), (long.MinValue, double.Epsilon, "", null)], rows);
    }

    [Fact]
    public async Task A_failing_write_rolls_back_alone_among_those_at_the_same_time()
    {
        var writes = Enumerable.Range(0, 200).Select(i => Database.Write(s =>
        {
            s.Execute($"insert into n(v) values({i})");
            if (i % 10 == 3) throw new InvalidOperationException("no");
        })).ToList();
        foreach (var write in writes)
            try { await write; } catch (InvalidOperationException) { }
        Assert.Equal(180, Count());
        Assert.Null(Database.Read(s => s.Number($"select v from n where v = {13}")));
    }

    [Fact]
    public async Task A_broken_constraint_fails_its_caller_only()
    {
        await Insert(Database, 1);
        await Assert.ThrowsAnyAsync<System.Data.Common.DbException>(() => Insert(Database, 1));
        await Insert(Database, 2);
        Assert.Equal(2, Count());
    }

    [Fact]
    public async Task All_queries_of_one_read_see_the_same_moment()
    {
        var (before, after) = Database.Read(s =>
        {
            var first = s.Number($"select count(*) from n");
            Insert(Database, 7).GetAwaiter().GetResult();
            return (first, s.Number($"select count(*) from n"));
        });
        Assert.Equal((0, 0), (before, after));
        Assert.Equal(1, Count());
    }

    [Fact]
    public async Task No_update_is_lost_when_two_servers_count_up_one_row_at_once()
    {
        await using var other = await Open();
        await Database.Write(s => { s.Execute($"insert into counter(name, v) values({"c"}, {0})"); });
        await Task.WhenAll(Enumerable.Range(0, 60).Select(i => Task.Run(() => (i % 2 == 0 ? Database : other).Write(s =>
        {
            var v = s.Number($"select v from counter where name = {"c"}");
            s.Execute($"update counter set v = {v + 1} where name = {"c"}");
        }))));
        Assert.Equal(60, Database.Read(s => s.Number($"select v from counter where name = {"c"}")));
    }

    [Fact]
    public async Task The_next_number_of_a_table_is_given_out_once_to_all_servers()
    {
        await using var other = await Open();
        var given = await Task.WhenAll(Enumerable.Range(0, 60).Select(i => Task.Run(() => (i % 2 == 0 ? Database : other).Write(s =>
        {
            var next = (s.Number($"select max(v) from n") ?? 0) + 1;
            s.Execute($"insert into n(v) values({next})");
            return next;
        }))));
        Assert.Equal(Enumerable.Range(1, 60).Select(n => (long)n), given.Order());
    }

    [Fact]
    public async Task Of_many_that_look_first_and_then_insert_the_same_row_one_succeeds_and_the_others_see_it()
    {
        await using var other = await Open();
        var results = await Task.WhenAll(Enumerable.Range(0, 40).Select(i => Task.Run(async () =>
        {
            try
            {
                await (i % 2 == 0 ? Database : other).Write(s =>
                {
                    if (s.Number($"select v from n where v = {7}") is not null) throw TaktException.Conflict("7 is there");
                    s.Execute($"insert into n(v) values({7})");
                });
                return true;
            }
            catch (TaktException e) when (e.Error == TaktError.Conflict)
            {
                return false;
            }
        })));
        Assert.Single(results, won => won);
    }

    [Fact]
    public async Task A_rule_over_several_rows_holds_when_two_servers_check_it_at_once()
    {
        // write skew: each alone leaves one row, both together would leave none
        await using var other = await Open();
        for (var round = 0; round < 20; round++)
        {
            await Database.Write(s => { s.Execute($"delete from n"); s.Execute($"insert into n(v) values(1), (2)"); });
            Task Leave(Database database, int v) => Task.Run(() => database.Write(s =>
            {
                if (s.Number($"select count(*) from n") == 2) s.Execute($"delete from n where v = {v}");
            }));
            await Task.WhenAll(Leave(Database, 1), Leave(other, 2));
            Assert.Equal(1, Count());
        }
    }

    [Fact]
    public async Task Text_is_ordered_by_its_bytes()
    {
        string[] names = ["Zebra", "a", "B", "_x", "ä", "a-b", "ab", "1"];
        await Database.Write(s => { foreach (var name in names) s.Execute($"insert into dataset(name, created_at) values({name}, {0})"); });
        Assert.Equal(names.Order(StringComparer.Ordinal), Database.Read(s => s.Query($"select name from dataset order by name", r => r.Text(0))));
    }

    [Fact]
    public async Task What_one_server_wrote_the_other_reads_at_once()
    {
        await using var other = await Open();
        for (var i = 0; i < 50; i++)
        {
            await Insert(Database, i);
            Assert.Equal(i, other.Read(s => s.Number($"select max(v) from n")));
        }
    }

    [Fact]
    public async Task Closed_is_closed_and_opening_again_finds_every_row()
    {
        await Task.WhenAll(Enumerable.Range(0, 300).Select(i => Insert(Database, i)));
        await Database.DisposeAsync();
        await using var again = await Open();
        Assert.Equal(300, again.Read(s => s.Number($"select count(*) from n")));
    }
}
