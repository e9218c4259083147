using System.Globalization;
using System.Text;
using Takt.Data;
using Takt.Server;

namespace Takt.Tests.Data;

/// <summary>Rows of text that are compared as bytes first: the same answer as by SQL alone, whatever the files look like.</summary>
public sealed class TextDiffTests : IAsyncDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("takt").FullName;
    readonly TaktApp _app;

    public TextDiffTests() => _app = TaktApp.Open(new TaktFolder(_folder, Path.Combine(_folder, ".takt")));

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    async Task<string> Commit(string dataset, params (string Path, string Content)[] files)
    {
        var source = Path.Combine(_folder, Guid.NewGuid().ToString("N"));
        Directory.CreateDirectory(source);
        foreach (var (path, content) in files) await File.WriteAllBytesAsync(Path.Combine(source, path), Encoding.UTF8.GetBytes(content));
        return (await _app.Datasets.Commit(new NewVersion(dataset, files.ToDictionary(f => f.Path, f => Path.Combine(source, f.Path))))).Commit.Reference;
    }

    /// <summary>Both ways; what they say must be equal.</summary>
    async Task<(string Said, bool Short)> Both(string a, string b, params string[] key)
    {
        var before = DatasetDiffs.ComparedAsText;
        var plain = await Said(new DiffOptions { Key = key, TextFrom = long.MaxValue });
        Assert.Equal(before, DatasetDiffs.ComparedAsText);
        var quick = await Said(new DiffOptions { Key = key, TextFrom = 0 });
        Assert.Equal(plain, quick);
        return (quick, DatasetDiffs.ComparedAsText > before);

        async Task<string> Said(DiffOptions options)
        {
            try
            {
                var diff = await new DatasetDiffs(_app.Datasets).Between(a, b, options);
                var rows = diff.Rows!;
                var text = new StringBuilder($"{string.Join(",", rows.Key)}: +{rows.Added} -{rows.Removed} ~{rows.Changed} ={rows.Same}; {string.Join(", ", diff.Columns)}; ");
                text.AppendJoin(", ", rows.ChangedColumns.OrderBy(c => c.Key, StringComparer.Ordinal).Select(c => $"{c.Key} {c.Value}"));
                if (rows.Key.Count > 0) foreach (var sample in rows.Samples) text.Append($"\n{sample.Kind} {Row(sample.Before)} > {Row(sample.Now)}");
                return text.ToString();
            }
            catch (TaktException e)
            {
                return $"{e.Error} {e.Message}";
            }
        }

        static string Row(IReadOnlyDictionary<string, string?>? row) => row is null ? "-" : string.Join(" ", row.Select(c => $"{c.Key}={c.Value}"));
    }

    static string[] Texts => ["plain", "with, comma", "with \"quotes\"", "two\nlines", "", "ünï", "crlf\r\ninside", "1", "01", "#no comment", "-"];

    /// <summary>A table as somebody might have written it, and the same after some changes.</summary>
    static (string A, string B) Tables(Random random, bool json)
    {
        var rows = new List<(long Id, double Price, string Text, DateOnly Day)>();
        var count = random.Next(1, 400);
        var texts = Texts.Where(_ => random.Next(3) > 0).Append("x").ToArray();
        for (var i = 0; i < count; i++) rows.Add((i * 3, random.Next(100) / 4.0, texts[random.Next(texts.Length)], new DateOnly(2024, 1, 1).AddDays(random.Next(60))));
        var b = new List<(long Id, double Price, string Text, DateOnly Day)>();
        var (lose, change, insert) = (random.Next(20), random.Next(20), random.Next(20));
        foreach (var row in rows)
        {
            if (random.Next(100) < lose) continue;
            if (random.Next(100) < insert) b.Add((row.Id + 1, row.Price, texts[random.Next(texts.Length)], row.Day));
            b.Add(random.Next(100) < change ? row with { Price = row.Price + (random.Next(2) * 0.5), Text = texts[random.Next(texts.Length)] } : row);
        }
        for (var moves = random.Next(3) * random.Next(40); moves > 0 && b.Count > 1; moves--)
        {
            var (from, to) = (random.Next(b.Count), random.Next(b.Count));
            (b[from], b[to]) = (b[to], b[from]);
        }
        if (b.Count == 0) b.Add((1, 1, "x", new DateOnly(2024, 1, 1)));
        var (styleA, styleB) = (random.Next(100), random.Next(3) == 0 ? random.Next(100) : -1);
        return (Written(rows, styleA), Written(b, styleB < 0 ? styleA : styleB));

        string Written(List<(long Id, double Price, string Text, DateOnly Day)> table, int style)
        {
            var style2 = new Random(style);
            var (end, last, bom, zeros, quoteAll, order) = (style2.Next(4) == 0 ? "\r\n" : "\n", style2.Next(3) == 0, style2.Next(5) == 0, style2.Next(4) == 0, style2.Next(4) == 0, style2.Next(6) == 0);
            var text = new StringBuilder(bom && !json ? "\uFEFF" : "");
            string Number(double value) => value.ToString(zeros ? "0.00" : "0.##", CultureInfo.InvariantCulture);
            string Field(string value) => quoteAll || value.AsSpan().IndexOfAny(",\"\n\r") >= 0 ? $"\"{value.Replace("\"", "\"\"")}\"" : value;
            if (!json) text.Append(order ? $"price,id,text,day{end}" : $"id,price,text,day{end}");
            foreach (var (id, price, value, day) in table)
            {
                if (json)
                {
                    var quoted = System.Text.Json.JsonSerializer.Serialize(value);
                    text.Append(order ? $"{{\"price\": {Number(price)}, \"id\": {id}, \"text\": {quoted}, \"day\": \"{day:yyyy-MM-dd}\"}}{end}" : $"{{\"id\":{id},\"price\":{Number(price)},\"text\":{quoted},\"day\":\"{day:yyyy-MM-dd}\"}}{end}");
                }
                else text.Append(order ? $"{Number(price)},{id},{Field(value)},{day:yyyy-MM-dd}{end}" : $"{id},{Number(price)},{Field(value)},{day:yyyy-MM-dd}{end}");
            }
            if (last) text.Length -= end.Length;
            return text.ToString();
        }
    }

    [Theory]
    [InlineData("csv")]
    [InlineData("jsonl")]
    public async Task Random_tables_in_any_style_of_writing_differ_as_SQL_says(string format)
    {
        var quick = 0;
        for (var seed = 0; seed < 14; seed++)
        {
            var (a, b) = Tables(new Random(seed), format == "jsonl");
            if (a == b) continue;
            var name = $"{format}{seed}";
            // a second file may make it a table of several, or have gone
            var other = seed % 5 == 0 ? Tables(new Random(seed + 1000), format == "jsonl").A : null;
            string first, second;
            try
            {
                first = await Commit(name, [($"t.{format}", a), .. other is not null && seed % 2 == 0 ? [($"u.{format}", other)] : Array.Empty<(string, string)>()]);
                second = await Commit(name, ($"t.{format}", b));
            }
            catch (TaktException)
            {
                continue; // no table that could be read: mixed line ends
            }
            foreach (var key in (string[][])[["id"], []])
            {
                var (_, wasQuick) = await Both(first, second, key);
                if (wasQuick) quick++;
            }
        }
        Assert.True(quick > 8, $"only {quick} were compared as bytes");
    }

    [Theory]
    [InlineData("id,x\n1,1.0\n2,2\n3,3.50\n", "id,x\n1,1\n2,2.0\n3,3.5\n", true, "+0 -0 ~0 =3")] // other text, equal values
    [InlineData("id,x\n1,a\n2,b\n3,c\n", "id,x\n3,c\n1,a\n2,bb\n", true, "+0 -0 ~1 =2")] // moved
    [InlineData("id,x\n1,\"a\nb\"\n2,b\n", "id,x\n1,\"a\nc\"\n2,b\n", true, "+0 -0 ~1 =1")] // a line end in quotes
    [InlineData("id,x\n1,\"a\"\n2,b\n", "id,x\n1,a\n2,b\n", true, "+0 -0 ~0 =2")] // needless quotes
    [InlineData("\uFEFFid,x\n1,a\n2,b\n", "id,x\n1,a\n2,c\n", true, "+0 -0 ~1 =1")] // a byte order mark
    [InlineData("id,x\r\n1,a\r\n2,b\r\n", "id,x\r\n1,a\r\n2,c\r\n", true, "+0 -0 ~1 =1")]
    [InlineData("id,x\r\n1,a\r\n2,b\r\n", "id,x\n1,a\n2,c\n", false, "+0 -0 ~1 =1")]
    [InlineData("id,x\n1,a\n2,b", "id,x\n1,a\n2,b\n3,c", true, "+1 -0 ~0 =2")]
    [InlineData("id,x\n1,a\n2,b\n", "x,id\na,1\nc,2\n", false, "+0 -0 ~1 =1")] // another order of columns
    [InlineData("id,x\n1,5\n2,6\n", "id,x\n1,5\n2,six\n", false, "+0 -0 ~1 =1")] // another type
    [InlineData("id,x\n1,31/12/2024\n2,30/12/2024\n", "id,x\n1,31/12/2024\n2,29/12/2024\n", false, "+0 -0 ~1 =1")] // a date format that was guessed
    [InlineData("id,x\n1,5\" pipe\n2,b\n", "id,x\n1,5\" pipe\n2,c\n", false, "")] // quotes within a field
    [InlineData("id;x\n1;a\n2;b\n", "id;x\n2;b\n1;c\n", true, "+0 -0 ~1 =1")]
    [InlineData("id,x\n01,a\n2,b\n", "id,x\n1,a\n02,b\n", true, "+2 -2 ~0 =0")] // which makes it text
    public async Task A_CSV_file_is_compared_as_bytes_only_where_that_says_the_same(string a, string b, bool quick, string said)
    {
        var (text, wasQuick) = await Both(await Commit("t", ("t.csv", a)), await Commit("t", ("t.csv", b)), "id");
        Assert.Contains(said, text);
        Assert.Equal(quick, wasQuick);
    }

    [Fact]
    public async Task A_column_that_another_file_of_the_version_makes_text_is_left_to_SQL()
    {
        var a = await Commit("t", ("a.csv", "id,x\n100,one\n"), ("t.csv", "id,x\n1,01\n2,2\n"));
        var b = await Commit("t", ("a.csv", "id,x\n100,one\n"), ("t.csv", "id,x\n1,1\n2,2\n"));
        var (text, quick) = await Both(a, b, "id");
        Assert.Contains("id: ", text);
        Assert.False(quick);
    }

    [Fact]
    public async Task Large_tables_that_share_most_of_their_chunks_differ_in_the_rows_that_changed()
    {
        string Table(int from, int to, Func<int, string> x) => "id,x,y\n" + string.Concat(Enumerable.Range(from, to - from).Select(i => $"{i},{x(i)},{unchecked((uint)i * 2654435761) % 1000}\n"));
        var a = await Commit("t", ("t.csv", Table(0, 200_000, i => "v" + (i % 100))));
        var b = await Commit("t", ("t.csv", Table(0, 100_000, i => i == 77_777 ? "other" : "v" + (i % 100)) + Table(100_050, 200_007, i => "v" + (i % 100))["id,x,y\n".Length..]));
        var (text, quick) = await Both(a, b, "id");
        Assert.Contains("+7 -50 ~1 =199949", text);
        Assert.Contains("changed id=77777 x=v77 > id=77777 x=other", text);
        Assert.True(quick);
    }
}
