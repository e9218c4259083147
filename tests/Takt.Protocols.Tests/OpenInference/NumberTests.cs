using System.Globalization;
using System.Text;
using System.Text.Json;
using Takt.Data;
using Takt.Deployments;
using Takt.Models;
using Takt.Server.Protocols.OpenInference;

namespace Takt.Protocols.Tests.OpenInference;

/// <summary>JSON numbers against the runtime's own. <c>TAKT_FUZZ=1000000</c> tries more.</summary>
public sealed class NumberTests
{
    static readonly int Rounds = int.TryParse(Environment.GetEnvironmentVariable("TAKT_FUZZ"), out var more) ? more : 50_000;

    [Fact]
    public void Every_number_is_the_nearest_double_and_the_nearest_float()
    {
        var random = new Random(5);
        for (var round = 0; round < Rounds; round++)
        {
            var text = (round % 4) switch
            {
                0 => Digits(random),
                1 => (BitConverter.Int64BitsToDouble(random.NextInt64()) is var d && double.IsFinite(d) ? d : 0).ToString("R", CultureInfo.InvariantCulture),
                2 => ((double)MathF.Abs(BitConverter.Int32BitsToSingle(random.Next())) is var f && double.IsFinite(f) ? f : 0).ToString("F25", CultureInfo.InvariantCulture),
                _ => BetweenFloats(random),
            };
            Agrees(text);
        }
        foreach (var text in (string[])["0", "-0", "0.0", "1e400", "-1e400", "1e-400", "1E+5", "9007199254740993", "9007199254740992.5", "18446744073709551615", "18446744073709551616", "0.000000000000000000000000000001234567890123456789", "3.4028235677973366e38", "1.1754943e-38", "1e-45", "7e-46", "2.2250738585072011e-308", "123456789012345678901234567890e-20"])
            Agrees(text);
    }

    [Fact]
    public void What_is_no_number_in_JSON_is_null_in_an_answer_of_rows()
    {
        var signature = new Signature([], [new Field("wide", FieldType.Double), new Field("narrow", FieldType.Float)]);
        var revision = new Revision("e", 1, "m@1", new DeploymentSpec("e", [1], TimeSpan.Zero, 0, [], null, true, null), DateTimeOffset.UnixEpoch);
        double[] numbers = [1.5, double.PositiveInfinity, double.NegativeInfinity, double.NaN, 1e300];
        var bytes = new System.Buffers.ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(bytes))
            OpenInferenceApi.Write(json, "e", InferRequest.Parse("""{"inputs":[{"name":"x","shape":[1],"datatype":"FP64","data":[1]}]}"""u8), new Answer("p-1", revision, signature, new Table([Column.Of("wide", numbers), Column.Of("narrow", numbers)])));
        using var answer = JsonDocument.Parse(bytes.WrittenMemory);
        Assert.Equal(["[1.5,null,null,null,1E+300]", "[1.5,null,null,null,null]"], answer.RootElement.GetProperty("outputs").EnumerateArray().Select(o => o.GetProperty("data").GetRawText()));
    }

    static void Agrees(string text)
    {
        var bytes = Encoding.ASCII.GetBytes(text + ",1");
        Assert.Equal(text.Length, JsonNumber.Length(bytes));
        Assert.Equal(text.Length, JsonNumber.Read(bytes, out double wide));
        Assert.Equal(text.Length, JsonNumber.Read(bytes, out float narrow));
        if (BitConverter.DoubleToInt64Bits(wide) != BitConverter.DoubleToInt64Bits(double.Parse(text, CultureInfo.InvariantCulture))) Assert.Fail($"{text} became the double {wide:R}");
        if (BitConverter.SingleToInt32Bits(narrow) != BitConverter.SingleToInt32Bits(float.Parse(text, CultureInfo.InvariantCulture))) Assert.Fail($"{text} became the float {narrow:R}");
    }

    static string Digits(Random random)
    {
        var text = new StringBuilder(random.Next(2) == 0 ? "-" : "");
        var (whole, fraction) = (random.Next(12), random.Next(12));
        text.Append(whole == 0 ? "0" : random.Next(1, 10).ToString());
        for (var i = 1; i < whole; i++) text.Append(random.Next(10));
        if (fraction > 0) text.Append('.');
        for (var i = 0; i < fraction; i++) text.Append(random.Next(10));
        if (random.Next(3) == 0) text.Append("eE"[random.Next(2)]).Append(((string[])["", "+", "-"])[random.Next(3)]).Append(random.Next(random.Next(2) == 0 ? 30 : 340));
        return text.ToString();
    }

    /// <summary>Just between two floats, or a hair to either side of it: rounding to a double first would hide which.</summary>
    static string BetweenFloats(Random random)
    {
        var below = BitConverter.Int32BitsToSingle(random.Next(0x30000000, 0x4b000000));
        var text = (((double)below + MathF.BitIncrement(below)) / 2).ToString("F60", CultureInfo.InvariantCulture).TrimEnd('0');
        return random.Next(3) switch { 0 => text, 1 => text + "00000000000000001", _ => text[..^1] + (char)(text[^1] - 1) + "99999999" };
    }

    [Fact]
    public void A_float_is_written_as_the_runtime_writes_it_in_the_fewest_digits()
    {
        var random = new Random(6);
        Span<byte> mine = stackalloc byte[JsonNumber.Longest], theirs = stackalloc byte[JsonNumber.Longest];
        for (var round = 0; round < Rounds * 4; round++)
        {
            var value = round % 2 == 0 ? BitConverter.Int32BitsToSingle((int)random.NextInt64()) : (float)((random.NextDouble() - 0.5) * Math.Pow(10, random.Next(-6, 10)));
            if (!float.IsFinite(value)) continue;
            var length = JsonNumber.Write(mine, value);
            value.TryFormat(theirs, out var expected, default, CultureInfo.InvariantCulture);
            if (!mine[..length].SequenceEqual(theirs[..expected])) Assert.Fail($"{Encoding.ASCII.GetString(theirs[..expected])} was written as {Encoding.ASCII.GetString(mine[..length])}");
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("-")]
    [InlineData("+1")]
    [InlineData(".5")]
    [InlineData("NaN")]
    [InlineData("1.")]
    [InlineData("01")]
    [InlineData("-01")]
    [InlineData("1e")]
    [InlineData("1e+")]
    [InlineData("1.e5")]
    public void What_JSON_does_not_know_is_no_number(string text)
    {
        Assert.Equal(0, JsonNumber.Length(Encoding.ASCII.GetBytes(text)));
        Assert.Equal(0, JsonNumber.Read(Encoding.ASCII.GetBytes(text), out double _));
        Assert.Equal(0, JsonNumber.Read(Encoding.ASCII.GetBytes(text), out float _));
    }

    [Fact]
    public void A_list_is_taken_where_the_JSON_reader_takes_it_and_holds_numbers_alone()
    {
        var random = new Random(7);
        const string Alphabet = "[[[]]],,,1234567890.-e null\n";
        var (lists, others) = (0, 0);
        var to = new double[64];
        for (var round = 0; round < Rounds; round++)
        {
            var text = new StringBuilder("[");
            if (round % 2 == 0) for (var i = random.Next(12); i > 0; i--) text.Append(Alphabet[random.Next(Alphabet.Length)]);
            else for (var i = random.Next(6); i > 0; i--) text.Append(i % 2 == 0 ? "[1.5, -2]" : "3e2").Append(i > 1 || random.Next(9) == 0 ? "," : "");
            var json = Encoding.ASCII.GetBytes(text.Append("],7").ToString());
            var (length, numbers) = ByReader(json);
            if (NumberList.Length(json) is > 0 and var mine)
            {
                Assert.True(length == mine && numbers is not null, $"{text} is no list of numbers");
                Assert.Equal(numbers.TrueForAll(double.IsFinite), NumberList.TryRead(json, to.AsSpan(0, numbers.Count)));
                if (numbers.TrueForAll(double.IsFinite)) Assert.Equal(numbers, to[..numbers.Count]);
                Assert.False(NumberList.TryRead(json, to.AsSpan(0, numbers.Count + 1)));
                lists++;
            }
            else
            {
                Assert.True(numbers is null, $"{text} is a list of numbers");
                others++;
            }
        }
        Assert.True(lists > 1000 && others > 1000, $"{lists} lists, {others} others");
    }

    /// <returns>Its bytes, and its values; null where it holds other things.</returns>
    static (int Length, List<double>? Numbers) ByReader(byte[] text)
    {
        var numbers = new List<double>();
        var json = new Utf8JsonReader(text, isFinalBlock: false, new JsonReaderState(new JsonReaderOptions { MaxDepth = 8 }));
        try
        {
            while (json.Read())
                if (json.TokenType == JsonTokenType.Number) numbers.Add(json.GetDouble());
                else if (json.TokenType == JsonTokenType.EndArray && json.CurrentDepth == 0) return ((int)json.BytesConsumed, numbers);
                else if (json.TokenType is not (JsonTokenType.StartArray or JsonTokenType.EndArray)) return default;
        }
        catch (JsonException)
        {
            // no list
        }
        return default;
    }

    [Fact]
    public void What_is_wrong_behind_a_list_of_numbers_is_told_with_its_place()
    {
        const string Wrong = """{"inputs":[{"name":"x","shape":[3],"datatype":"FP32","data":[1,2,3]},?]}""";
        var e = Assert.Throws<TaktException>(() => InferRequest.Parse(Encoding.UTF8.GetBytes(Wrong)));
        Assert.Contains($"BytePositionInLine: {Wrong.IndexOf('?')}.", e.Message);
    }
}
