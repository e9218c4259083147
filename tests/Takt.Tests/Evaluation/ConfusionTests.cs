using System.Text.Json;
using Takt.Evaluation;

namespace Takt.Tests.Evaluation;

public sealed class ConfusionTests
{
    [Fact]
    public void The_counts_of_a_yes_or_no_follow_from_its_metrics()
    {
        double[] score = [.9, .8, .7, .6, .4, .3, .2, .1, .55, .45], label = [1, 1, 0, 1, 1, 0, 0, 0, 0, 0];
        var confusion = Confusion.OfBinary(new NumberScores(score, label, binary: true).Defined(), score.Length)!;
        Assert.Equal([4, 2, 1, 3], confusion.Counts.SelectMany(row => row)); // true 0: said 0, said 1; true 1: said 0, said 1
    }

    [Fact]
    public void Metrics_that_give_no_whole_rows_or_are_missing_give_no_counts()
    {
        var metrics = new Dictionary<string, double> { ["accuracy"] = 0.7, ["recall"] = 0.75, ["positive_rate"] = 0.4 };
        Assert.NotNull(Confusion.OfBinary(metrics, 10));
        Assert.Null(Confusion.OfBinary(metrics, 7)); // of other rows
        Assert.Null(Confusion.OfBinary(metrics, double.NaN));
        Assert.Null(Confusion.OfBinary(new Dictionary<string, double>(metrics) { ["accuracy"] = double.NaN }, 10));
        Assert.Null(Confusion.OfBinary(new Dictionary<string, double>(metrics) { ["accuracy"] = 0.1 }, 10)); // fewer right than hits
        Assert.Null(Confusion.OfBinary(new Dictionary<string, double> { ["accuracy"] = 0.7 }, 10));
    }

    [Theory]
    [InlineData("""{"confusion":{"classes":["a","b"],"rows":[[3,1],[0,2]]}}""", true)]
    [InlineData("""{"confusion":{"classes":["a","b"],"rows":[[3,1],[0]]}}""", false)]
    [InlineData("""{"confusion":{"classes":["a"],"rows":[[0.5]]}}""", false)]
    [InlineData("""{"confusion":{"classes":["a"],"rows":[["1"]]}}""", false)]
    [InlineData("""{"confusion":[]}""", false)]
    [InlineData("""{"auc":0.9}""", false)]
    [InlineData("3", false)]
    public void What_is_no_square_of_whole_numbers_is_none(string file, bool good)
    {
        using var json = JsonDocument.Parse(file);
        var read = Confusion.Of(json.RootElement);
        Assert.Equal(good, read is not null);
        if (read is null) return;
        using var text = new MemoryStream();
        using (var writer = new Utf8JsonWriter(text))
        {
            writer.WriteStartObject();
            read.Write(writer);
            writer.WriteEndObject();
        }
        Assert.Equal(file, System.Text.Encoding.UTF8.GetString(text.ToArray()));
    }
}
