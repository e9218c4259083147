using System.Text.Json.Nodes;

namespace Takt.Cli.Demo;

/// <summary>
/// The world outside of Takt, as far as the demo needs one: an airline that asks the endpoint about each departing flight, learns later which were
/// late, and hands over each week's file when the week is past. It knows Takt by HTTP alone, as any client would.
/// </summary>
public sealed class FlightsWorld(HttpClient http, string endpoint, string incoming)
{
    /// <summary>Requests under way at once.</summary>
    const int Clients = 4;

    /// <summary>Labels in one call: about 1 MB of JSON.</summary>
    const int RequestsPerLabelCall = 400;

    long _failed;

    /// <summary>Requests that were not answered with 200, over the whole story.</summary>
    public long Failed => _failed;

    /// <summary>Asks about the flights of the requests <paramref name="from"/> to <paramref name="to"/> (exclusive), several at a time.</summary>
    /// <returns>Which prediction answered which request.</returns>
    public async Task<List<(int Request, string Prediction)>> Ask(FlightWeek week, int from, int to, CancellationToken cancel)
    {
        var answered = new List<(int Request, string Prediction)>(to - from);
        await Parallel.ForEachAsync(Enumerable.Range(from, to - from), new ParallelOptions { MaxDegreeOfParallelism = Clients, CancellationToken = cancel },
            async (request, stop) =>
            {
                using var answer = await http.PostAsync($"/v2/models/{endpoint}/infer", Body(week.Request(request)), stop);
                if (!answer.IsSuccessStatusCode)
                {
                    Interlocked.Increment(ref _failed);
                    return;
                }
                var json = await JsonNode.ParseAsync(await answer.Content.ReadAsStreamAsync(stop), cancellationToken: stop);
                var prediction = json!["parameters"]!["prediction_id"]!.GetValue<string>();
                lock (answered) answered.Add((request, prediction));
            });
        return answered;
    }

    /// <summary>Tells which flights of the answered requests were late.</summary>
    public async Task Tell(FlightWeek week, IReadOnlyList<(int Request, string Prediction)> answered, CancellationToken cancel)
    {
        foreach (var part in answered.Chunk(RequestsPerLabelCall))
        {
            using var answer = await http.PostAsync($"/api/v1/deployments/{endpoint}/labels", Body(week.Labels(part)), cancel);
            if (!answer.IsSuccessStatusCode)
                throw new TaktException(TaktError.Unavailable, $"the endpoint refused labels of week {week.Number}: {await answer.Content.ReadAsStringAsync(cancel)}");
        }
    }

    /// <summary>The airline's file of the week arrives.</summary>
    public void HandOver(FlightWeek week)
    {
        var to = Path.Combine(incoming, Path.GetFileName(week.File));
        var tmp = to + ".part"; // not *.parquet: a collect that runs just now must not see half a file
        File.Copy(week.File, tmp, overwrite: true);
        File.Move(tmp, to, overwrite: true);
    }

    static ByteArrayContent Body(byte[] json) => new(json) { Headers = { ContentType = new("application/json") } };
}
