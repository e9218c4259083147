using System.Globalization;
using System.Text;
using Takt.Models;
using Takt.Server.Protocols.Scoring;

namespace Takt.Protocols.Tests.Scoring;

/// <summary>Requests of <c>/invocations</c> in each of its forms and of <c>:predict</c> with bytes turned, cut, doubled or put in: each is read, or refused in words. <c>TAKT_FUZZ=1000000</c> runs more of each.</summary>
public sealed class ScoringFuzzTests
{
    static readonly int Rounds = int.TryParse(Environment.GetEnvironmentVariable("TAKT_FUZZ"), CultureInfo.InvariantCulture, out var more) ? more : 4_000;

    static readonly Signature Signature = new([.. Enum.GetValues<FieldType>().Select(type => new Field($"f{type}", type, Required: type != FieldType.Long))], [new Field("y", FieldType.Double)]);

    static readonly ModelParams Params = ModelParams.Read("""[{"name":"factor","type":"double","default":2.0,"shape":null},{"name":"words","type":"string","default":["a"],"shape":[-1]},{"name":"when","type":"datetime","default":null,"shape":null},{"name":"deep","type":"object","default":{},"shape":null}]""", "params")!;

    static readonly string Names = string.Join(',', Signature.Inputs.Select(f => $"\"{f.Name}\""));

    static string Value(Field field, int row) => field.Type switch
    {
        FieldType.Boolean => row == 0 ? "true" : "false",
        FieldType.String => row == 0 ? "\"täglich\"" : "{\"b64\":\"YQ==\"}",
        FieldType.Binary => "\"YQ==\"",
        FieldType.Datetime => "\"2026-03-01T10:00:00Z\"",
        FieldType.Integer or FieldType.Long => "-17",
        _ => row == 0 ? "0.25" : "1e-3",
    };

    static string Row(int row) => $"[{string.Join(',', Signature.Inputs.Select(f => Value(f, row)))}]";

    static string Record(int row) => $"{{{string.Join(',', Signature.Inputs.Select(f => $"\"{f.Name}\":{Value(f, row)}"))}}}";

    static readonly Dictionary<string, string> Bodies = new()
    {
        ["dataframe_split"] = $"{{\"dataframe_split\":{{\"columns\":[{Names}],\"data\":[{Row(0)},{Row(1)}]}},\"params\":{{\"factor\":3,\"words\":[\"b\"],\"when\":\"2026-03-01\",\"deep\":{{\"a\":1}}}}}}",
        ["dataframe_records"] = $"{{\"dataframe_records\":[{Record(0)},{Record(1)}]}}",
        ["instances"] = $"{{\"signature_name\":\"serving_default\",\"instances\":[{Record(0)},{Record(1)}]}}",
        ["inputs"] = $"{{\"inputs\":{{{string.Join(',', Signature.Inputs.Select(f => $"\"{f.Name}\":[{Value(f, 0)},[{Value(f, 1)}]]"))}}}}}",
        ["csv"] = $"{string.Join(',', Signature.Inputs.Select(f => f.Name))}\n{Row(0)[1..^1]}\r\n\n{string.Join(',', Signature.Inputs.Select(f => f.Type == FieldType.String ? "\"a \"\"quoted\"\", text\"" : Value(f, 0)))}\n",
    };

    /// <summary>A file that a model was made of can be asked about as it is.</summary>
    [Theory]
    [InlineData("yes", true), InlineData("Y", true), InlineData("1", true), InlineData("TRUE", true), InlineData("no", false), InlineData("f", false), InlineData("0", false)]
    public void Csv_is_read_as_it_is_when_a_model_learns_from_it(string word, bool value)
    {
        var table = ScoringRequest.Csv(Encoding.UTF8.GetBytes($"\uFEFFvip,calls\n{word},3.0\n,\n"), new Signature([new Field("vip", FieldType.Boolean), new Field("calls", FieldType.Long)], [new Field("y", FieldType.Double)]));
        Assert.Equal((value, 3L, true), (table["vip"].Booleans[0], table["calls"].Integers[0], table["calls"].IsMissing(1)));
        Assert.Contains("perhaps is no boolean", Assert.Throws<TaktException>(() => ScoringRequest.Csv("vip\nperhaps\n"u8.ToArray(), new Signature([new Field("vip", FieldType.Boolean)], []))).Message);
        Assert.Contains("3.5 is no long", Assert.Throws<TaktException>(() => ScoringRequest.Csv("n\n3.5\n"u8.ToArray(), new Signature([new Field("n", FieldType.Long)], []))).Message);
    }

    [Theory]
    [InlineData("dataframe_split"), InlineData("dataframe_records"), InlineData("instances"), InlineData("inputs"), InlineData("csv")]
    public void A_mangled_request_is_read_or_refused_in_words(string form)
    {
        var seed = Encoding.UTF8.GetBytes(Bodies[form]);
        Assert.Equal(2, (form == "csv" ? ScoringRequest.Csv(seed, Signature) : Json(seed)).Rows);
        var random = new Random(7);
        var (read, refused) = (0, 0);
        for (var round = 0; round < Rounds; round++)
        {
            var body = Mangled.Of(seed, random);
            try
            {
                _ = form == "csv" ? ScoringRequest.Csv(body, Signature) : Json(body);
                read++;
            }
            catch (TaktException e)
            {
                Assert.True(e.Error == TaktError.Invalid, e.ToString());
                refused++;
            }
            catch (Exception e) when (e is not Xunit.Sdk.XunitException)
            {
                throw new InvalidOperationException($"{form}, round {round}: {Convert.ToBase64String(body)}", e);
            }
        }
        Assert.True(read > 0 && refused > 0, $"{read} read, {refused} refused");

        // as either protocol goes about it
        Data.Table Json(byte[] body)
        {
            using var json = ScoringRequest.Parse(body);
            if (form is "instances") _ = ScoringRequest.IsOfInstances(json.RootElement);
            else ScoringRequest.RequireForm(json.RootElement);
            var table = ScoringRequest.Json(json.RootElement, Signature);
            _ = ScoringRequest.Enforce(Params, json.RootElement);
            return table;
        }
    }
}
