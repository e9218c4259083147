using System.Text;
using Takt.Deployments;
using Takt.Models;
using Takt.Server.Protocols.OpenInference;

namespace Takt.Protocols.Tests.OpenInference;

/// <summary>Requests that differ from the last one in their numbers alone are compared, not parsed; the values must be the same. <c>TAKT_FUZZ=1000000</c> tries more.</summary>
public sealed class TabularTemplateTests
{
    const string Usual = """{"inputs":[{"name":"b","shape":[1],"datatype":"FP64","data":[0.25]},{"name":"a","shape":[1,1],"datatype":"INT64","data":[[7]]},{"name":"c","shape":[1],"datatype":"FP32","data":[-1e3]}]}""";

    static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    [Fact]
    public void A_request_in_the_same_form_gives_its_own_numbers()
    {
        var template = TabularTemplate.Of(Bytes(Usual), new Three())!;
        var batch = RowBatch.Take();
        Assert.True(template.TryRead(Bytes(Usual.Replace("0.25", "-12.5e-1").Replace("[7]", "[12345]").Replace("-1e3", "0")), batch));
        Assert.Equal([12345, -1.25, 0], batch.Matrix.ToArray());
    }

    [Theory]
    [InlineData("0.25", "null")]
    [InlineData("0.25", "0.25,1")]
    [InlineData("0.25", "1e999")]
    [InlineData("0.25", "\"1\"")]
    [InlineData("[7]", "[7.5]")]
    [InlineData("[7]", "[12345678901234567890]")]
    [InlineData("\"c\"", "\"d\"")]
    [InlineData("]}]}", "]}],\"id\":\"1\"}")]
    [InlineData("]}]}", "]}]} x")]
    [InlineData("]}]}", "]}]")]
    public void Any_other_request_is_parsed(string old, string now) =>
        Assert.False(TabularTemplate.Of(Bytes(Usual), new Three())!.TryRead(Bytes(Usual.Replace(old, now)), RowBatch.Take()));

    [Fact]
    public void Rows_of_texts_or_truths_have_no_template()
    {
        Assert.Null(TabularTemplate.Of(Bytes("""{"inputs":[{"name":"t","shape":[1],"datatype":"BYTES","data":["x"]}]}"""), new One(FieldType.String)));
        Assert.Null(TabularTemplate.Of(Bytes("""{"inputs":[{"name":"t","shape":[1],"datatype":"INT64","data":[1]}]}"""), new One(FieldType.Boolean)));
    }

    [Fact]
    public void Changed_at_any_place_a_request_gives_the_same_with_a_template_and_without()
    {
        var random = new Random(8);
        var rounds = int.TryParse(Environment.GetEnvironmentVariable("TAKT_FUZZ"), out var more) ? more : 20_000;
        const string Alphabet = "0123456789.-+eE[]{},:\" ab";
        var known = new Three();
        var batch = RowBatch.Take();
        Assert.True(TabularRequest.TryRead(Bytes(Usual), known, batch, out _)); // becomes the template
        var (template, same) = (TabularTemplate.Of(Bytes(Usual), known)!, 0);
        for (var round = 0; round < rounds; round++)
        {
            var text = Usual;
            for (var n = random.Next(3); n >= 0; n--)
            {
                var at = random.Next(text.Length);
                text = random.Next(3) switch { 0 => text[..at] + Alphabet[random.Next(Alphabet.Length)] + text[at..], 1 => text.Remove(at, 1), _ => text[..at] + Alphabet[random.Next(Alphabet.Length)] + text[(at + 1)..] };
            }
            var body = Bytes(text);
            if (!template.TryRead(body, batch)) continue;
            var values = batch.Matrix.ToArray();
            Assert.True(TabularRequest.TryRead(body, new Three(), batch, out var id), text); // knows no template
            Assert.Equal(values, batch.Matrix.ToArray());
            Assert.Equal(default, id);
            same++;
        }
        Assert.True(same > rounds / 500, $"{same} of {rounds} were as the template");
    }

    sealed class Three() : RowScorer([new Feature("a", FieldType.Long, null), new Feature("b", FieldType.Double, null), new Feature("c", FieldType.Float, null)], new Field("y", FieldType.Double))
    {
        public override void Score(ReadOnlySpan<double> matrix, int rows, Span<double> scores) => scores.Clear();
    }

    sealed class One(FieldType type) : RowScorer([new Feature("t", type, null)], new Field("y", FieldType.Double))
    {
        public override void Score(ReadOnlySpan<double> matrix, int rows, Span<double> scores) => scores.Clear();
    }
}
