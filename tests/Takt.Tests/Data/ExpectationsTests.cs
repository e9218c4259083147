using Takt.Data;

namespace Takt.Tests.Data;

public sealed class ExpectationsTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    string File(string name, string content)
    {
        var path = Path.Combine(_folder, name);
        System.IO.File.WriteAllText(path, content);
        return path;
    }

    IReadOnlyList<string> Faults(Expectations expect)
    {
        try
        {
            expect.Require("data", [_folder]);
            return [];
        }
        catch (TaktException e)
        {
            return e.Faults.Select(fault => fault.Replace(_folder + "/", "")).ToList();
        }
    }

    [Fact]
    public void Every_rule_that_is_broken_is_named_with_its_count_and_rows_all_at_once()
    {
        File("a.csv", "id,day,price,code,kind\n1,2001-01-01,5.5,SEA,a\n1,2001-01-02,,SEA,b\n2,1999-01-01,-3,sea,c\n3,2001-01-04,7,S,a\n");
        var faults = Faults(new Expectations
        {
            MinRows = 10,
            Columns =
            [
                new("id") { Type = ColumnType.Integer, Unique = true },
                new("day") { Type = ColumnType.Time, Min = "2000-01-01" },
                new("price") { Type = ColumnType.Number, MaxNulls = 0, Min = "0", Max = "6" },
                new("code") { Matches = "[A-Z]{3}" },
                new("kind") { In = ["a", "b"] },
            ],
        });
        Assert.Equal(
        [
            "data: the table has 4 rows, fewer than rows.min 10",
            "data: column 'id', unique: 1 of 4 rows repeat a value; namely a.csv {id: 1, day: 2001-01-02T00:00:00.000000Z, price: null, code: \"SEA\", kind: \"b\"}",
            "data: column 'day', min 2000-01-01: 1 of 4 rows are below; namely a.csv {day: 1999-01-01T00:00:00.000000Z, id: 2, price: -3, code: \"sea\", kind: \"c\"}",
            "data: column 'price', nulls 0: 1 of 4 rows have no value; namely a.csv {price: null, id: 1, day: 2001-01-02T00:00:00.000000Z, code: \"SEA\", kind: \"b\"}",
            "data: column 'price', min 0: 1 of 4 rows are below; namely a.csv {price: -3, id: 2, day: 1999-01-01T00:00:00.000000Z, code: \"sea\", kind: \"c\"}",
            "data: column 'price', max 6: 1 of 4 rows are above; namely a.csv {price: 7, id: 3, day: 2001-01-04T00:00:00.000000Z, code: \"S\", kind: \"a\"}",
            "data: column 'code', matches [A-Z]{3}: 2 of 4 rows don't match; namely a.csv {code: \"sea\", id: 2, day: 1999-01-01T00:00:00.000000Z, price: -3, kind: \"c\"}; a.csv {code: \"S\", id: 3, day: 2001-01-04T00:00:00.000000Z, price: 7, kind: \"a\"}",
            "data: column 'kind', in [a, b]: 1 of 4 rows have another value; namely a.csv {kind: \"c\", id: 2, day: 1999-01-01T00:00:00.000000Z, price: -3, code: \"sea\"}",
        ], faults);
    }

    [Fact]
    public void Five_rows_are_shown_of_many()
    {
        File("a.csv", "x\n" + string.Join("\n", Enumerable.Range(1, 2000)) + "\n");
        var fault = Assert.Single(Faults(new Expectations { Columns = [new("x") { Type = ColumnType.Integer, Max = "100" }] }));
        Assert.Equal("data: column 'x', max 100: 1,900 of 2,000 rows are above; the first are a.csv {x: 101}; a.csv {x: 102}; a.csv {x: 103}; a.csv {x: 104}; a.csv {x: 105}", fault);
    }

    [Fact]
    public void A_column_that_vanished_from_one_file_is_named_with_that_file()
    {
        File("a.csv", "x,delay\n1,5\n");
        File("b.csv", "x\n2\n");
        Assert.Equal(["data: column 'delay', present: the column is not there; there are x, in b.csv"], Faults(new Expectations { Columns = [new("delay") { Type = ColumnType.Integer }] }));
    }

    [Fact]
    public void Text_in_a_numeric_column_is_shown_and_the_other_columns_are_still_checked()
    {
        File("a.csv", "x,delay\n1,5\n");
        File("b.csv", "x,delay\n-2,soon\n3,6\n");
        var faults = Faults(new Expectations { Columns = [new("delay") { Type = ColumnType.Integer }, new("x") { Type = ColumnType.Integer, Min = "0" }] });
        Assert.Equal(
        [
            "data: column 'delay', type integer: it is text (VARCHAR); 1 values can't be read as integer: \"soon\", in b.csv",
            "data: column 'x', min 0: 1 of 3 rows are below; namely b.csv {x: -2}",
        ], faults);
    }

    [Fact]
    public void Missing_values_up_to_the_share_allowed_pass()
    {
        File("a.csv", "x,y\n1,1\n,2\n3,3\n4,4\n");
        Assert.Empty(Faults(new Expectations { Columns = [new("x") { Type = ColumnType.Integer, MaxNulls = 0.25 }] }));
        Assert.Single(Faults(new Expectations { Columns = [new("x") { Type = ColumnType.Integer, MaxNulls = 0.24 }] }));
    }

    [Fact]
    public void An_empty_table_is_refused_unless_it_is_allowed()
    {
        File("a.csv", "x,y\n");
        Assert.Equal(["data: the table is empty"], Faults(new Expectations()));
        Assert.Empty(Faults(new Expectations { MinRows = 0 }));
    }

    [Fact]
    public void Columns_that_nobody_named_are_refused_only_when_asked()
    {
        File("a.csv", "x,ssn\n1,2\n");
        Assert.Empty(Faults(new Expectations { Columns = [new("x")] }));
        Assert.Contains("column 'ssn'", Assert.Single(Faults(new Expectations { ExtraColumns = false, Columns = [new("x")] })));
    }

    [Theory]
    [InlineData("bad.parquet", "no parquet")]
    [InlineData("ragged.csv", "x,y\n1,2\n3\n4,5,6\n")]
    public void A_file_that_cannot_be_read_is_one_line_that_names_it(string name, string content)
    {
        File("a.csv", "x,y\n1,2\n");
        File(name, content);
        var fault = Assert.Single(Faults(new Expectations { Columns = [new("x")] }));
        Assert.Contains(name, fault);
        Assert.DoesNotContain('\n', fault);
    }
}
