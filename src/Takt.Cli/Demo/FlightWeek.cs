using System.Globalization;
using System.Text.Json;
using Takt.Data;

namespace Takt.Cli.Demo;

/// <summary>One week of real flights, asked about in the order of departure; the truth is known only later.</summary>
public sealed class FlightWeek
{
    /// <summary>Rows a request: what a busy airline's system would send in one call.</summary>
    const int Batch = 64;

    readonly Table _table;

    FlightWeek(int number, string file, Table table)
    {
        Number = number;
        File = file;
        _table = table;
    }

    /// <summary>1 is the week of Monday 2001-01-01.</summary>
    public int Number { get; }

    /// <summary>The Parquet file that the airline hands over when the week is past.</summary>
    public string File { get; }

    public int Flights => _table.Rows;

    public int Requests => (Flights + Batch - 1) / Batch;

    /// <exception cref="TaktException">Invalid: the file is damaged or lacks a column.</exception>
    public static FlightWeek Read(int number, string file) =>
        new(number, file, Tables.Read([file], ["date", "delay", "distance", "origin", "destination"]));

    /// <summary>The body of one Open Inference v2 request: five columns of up to 64 rows, and the hour that it is asked in.</summary>
    /// <param name="request">0 to <see cref="Requests"/> - 1.</param>
    public byte[] Request(int request)
    {
        var (from, to) = Rows(request);
        var times = _table["date"].Integers;
        using var body = new MemoryStream(16 * 1024);
        using (var json = new Utf8JsonWriter(body))
        {
            json.WriteStartObject();
            json.WriteStartObject("parameters");
            json.WriteString("event_time", Time(times[from]).ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture));
            json.WriteEndObject();
            json.WriteStartArray("inputs");
            Input(json, "hour", "INT64", from, to, row => json.WriteNumberValue(Time(times[row]).Hour));
            Input(json, "weekday", "INT64", from, to, row => json.WriteNumberValue(IsoWeekday(Time(times[row]))));
            Input(json, "distance", "INT64", from, to, row => json.WriteNumberValue((long)_table["distance"].NumberAt(row)));
            Input(json, "origin", "BYTES", from, to, row => json.WriteStringValue(_table["origin"].TextAt(row)));
            Input(json, "destination", "BYTES", from, to, row => json.WriteStringValue(_table["destination"].TextAt(row)));
            json.WriteEndArray();
            json.WriteEndObject();
        }
        return body.ToArray();
    }

    /// <summary>The body that tells, later, which flights of a request were more than 15 minutes late.</summary>
    public byte[] Labels(IReadOnlyList<(int Request, string Prediction)> answered)
    {
        using var body = new MemoryStream(64 * 1024);
        using (var json = new Utf8JsonWriter(body))
        {
            json.WriteStartObject();
            json.WriteStartArray("labels");
            foreach (var (request, prediction) in answered)
            {
                var (from, to) = Rows(request);
                for (var row = from; row < to; row++)
                {
                    json.WriteStartObject();
                    json.WriteString("id", $"{prediction}:{row - from}");
                    json.WriteNumber("label", Late(row) ? 1 : 0);
                    json.WriteEndObject();
                }
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        return body.ToArray();
    }

    bool Late(int row) => _table["delay"].NumberAt(row) > 15;

    (int From, int To) Rows(int request) => (request * Batch, Math.Min((request + 1) * Batch, Flights));

    static void Input(Utf8JsonWriter json, string name, string type, int from, int to, Action<int> value)
    {
        json.WriteStartObject();
        json.WriteString("name", name);
        json.WriteStartArray("shape");
        json.WriteNumberValue(to - from);
        json.WriteEndArray();
        json.WriteString("datatype", type);
        json.WriteStartArray("data");
        for (var row = from; row < to; row++) value(row);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>1 Monday … 7 Sunday, as <c>isodow</c> in the features' SQL.</summary>
    static int IsoWeekday(DateTimeOffset time) => time.DayOfWeek == DayOfWeek.Sunday ? 7 : (int)time.DayOfWeek;

    static DateTimeOffset Time(long microseconds) => DateTimeOffset.UnixEpoch.AddTicks(microseconds * 10);
}
