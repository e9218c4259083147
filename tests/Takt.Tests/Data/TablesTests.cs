using Takt.Data;

namespace Takt.Tests.Data;

public sealed class TablesTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    static Table Sample() => new(
    [
        Column.Of("flag", new[] { true, false, true }),
        Column.Of("count", new long[] { long.MinValue, 0, long.MaxValue }, [false, true, false]),
        Column.Of("share", new[] { 0.1, double.NaN, 1e300 }),
        Column.Of("name", new[] { "it's", null, "\"ü\" " }),
        Column.OfTimes("at", [0, 978_307_200_123_456, -1]),
    ]);

    [Fact]
    public void A_table_written_and_read_again_is_the_same_table()
    {
        var path = Path.Combine(_folder, "t.parquet");
        Tables.Write(Sample(), path);
        var back = Tables.Read(path);
        Assert.Equal(3, back.Rows);
        foreach (var column in Sample().Columns)
        {
            Assert.Equal(column.Type, back[column.Name].Type);
            for (var row = 0; row < 3; row++) Assert.Equal(column.TextAt(row), back[column.Name].TextAt(row));
        }
    }

    [Fact]
    public void Equal_tables_give_equal_bytes()
    {
        Tables.Write(Sample(), Path.Combine(_folder, "a.parquet"));
        Tables.Write(Sample(), Path.Combine(_folder, "b.parquet"));
        Assert.Equal(File.ReadAllBytes(Path.Combine(_folder, "a.parquet")), File.ReadAllBytes(Path.Combine(_folder, "b.parquet")));
    }

    [Fact]
    public void A_folder_stands_for_its_files_in_order_of_path_whatever_their_format()
    {
        File.WriteAllText(Path.Combine(_folder, "1.csv"), "a,b\n1,x\n2,y\n");
        File.WriteAllText(Path.Combine(_folder, "2.jsonl"), "{\"b\":\"z\",\"a\":3}\n");
        File.WriteAllText(Path.Combine(_folder, "notes.txt"), "not data");
        var table = Tables.Read([_folder], ["a", "b"]);
        Assert.Equal([1, 2, 3], table["a"].Integers.Take(table.Rows));
        Assert.Equal(["x", "y", "z"], table["b"].Texts.Take(table.Rows));
    }

    [Fact]
    public void A_column_that_is_not_there_is_named_with_those_that_are()
    {
        File.WriteAllText(Path.Combine(_folder, "1.csv"), "a,b\n1,x\n");
        var e = Assert.Throws<TaktException>(() => Tables.Read([_folder], ["a", "delay"]));
        Assert.Contains("no column 'delay'; there are: a, b", e.Message);
    }

    [Theory]
    [InlineData("bad.parquet", "this is no parquet file")]
    [InlineData("bad.csv", "a,b\n1,2\n3,4,5\n6,7\n")]
    [InlineData("bad.jsonl", "{\"a\":1}\n{\"a\":\n")]
    [InlineData("bad.xlsx", "x")]
    public void A_file_that_is_not_what_its_ending_says_is_one_clear_line(string name, string content)
    {
        var path = Path.Combine(_folder, name);
        File.WriteAllText(path, content);
        var e = Assert.Throws<TaktException>(() => Tables.Read(path));
        Assert.Equal(TaktError.Invalid, e.Error);
        Assert.Contains(name, e.Message);
        Assert.DoesNotContain('\n', e.Message);
    }
}
