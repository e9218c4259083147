using Takt.Data;

namespace Takt.Tests.Data;

public sealed class SqlQueryTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt").FullName;

    public SqlQueryTests()
    {
        File.WriteAllText(PathOf("a.csv"), "x\n3\n1\n2\n");
        File.WriteAllText(PathOf("secret.csv"), "x\n42\n");
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    string PathOf(string name) => Path.Combine(_folder, name);

    long Run(string sql) => SqlQuery.ToParquet("q.sql", sql, new Dictionary<string, string> { ["t"] = PathOf("a.csv") }, PathOf("out.parquet"));

    [Theory]
    [InlineData("select x * 2 as y from t order by x")]
    [InlineData("with u as (from t) select x * 2 as y from u order by x;\n-- the end")]
    public void The_result_is_written_in_the_order_of_the_query(string sql)
    {
        Assert.Equal(3, Run(sql));
        Assert.Equal([2, 4, 6], Tables.Read(PathOf("out.parquet"))["y"].Integers.Take(3));
    }

    [Fact]
    public void Equal_queries_give_equal_bytes()
    {
        Run("select x from t order by x");
        var first = File.ReadAllBytes(PathOf("out.parquet"));
        Run("select x from t order by x");
        Assert.Equal(first, File.ReadAllBytes(PathOf("out.parquet")));
    }

    [Theory]
    [InlineData("select * from read_csv('{0}/secret.csv')", "is not declared")]
    [InlineData("select * from '{0}/secret.csv'", "")]
    [InlineData("select * from read_text('/etc/passwd')", "is not declared")]
    [InlineData("select * from glob('{0}/*')", "is not declared")]
    [InlineData("copy t to '{0}/stolen.csv'", "one SELECT")]
    [InlineData("select 1 as a; copy t to '{0}/stolen.csv'", "one SELECT")]
    [InlineData("select 1 as a; select 2 as b", "one SELECT; this file has 2 statements")]
    [InlineData("set enable_external_access = true", "one SELECT")]
    [InlineData("install httpfs", "one SELECT")]
    [InlineData("select * from read_parquet('https://example.com/x.parquet')", "")]
    [InlineData("select nope from t", "nope")]
    [InlineData("selec x from t", "q.sql: ")]
    public void A_query_reaches_nothing_but_its_tables(string sql, string message)
    {
        var e = Assert.Throws<TaktException>(() => Run(sql.Replace("{0}", _folder)));
        Assert.Equal(TaktError.Invalid, e.Error);
        Assert.Contains(message, e.Message);
        Assert.DoesNotContain('\n', e.Message);
        Assert.Equal(["a.csv", "secret.csv"], Directory.GetFiles(_folder).Select(Path.GetFileName).Order());
    }
}
