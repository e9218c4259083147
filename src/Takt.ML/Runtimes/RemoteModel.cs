using System.Buffers;
using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using Takt.Data;
using Takt.Deployments;
using Takt.Models;

namespace Takt.ML.Runtimes;

/// <summary>
/// A model that answers elsewhere: an endpoint of the Open Inference Protocol v2 (KServe, Triton, another Takt) or MLflow's <c>/invocations</c>. Nothing is asked twice but what could not even be sent: a request that
/// found no connection is tried once more.
/// </summary>
public sealed class RemoteModel : ILoadedModel
{
    const long LongestAnswer = 256L << 20;
    const int LongestReason = 1000;

    static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);
    static readonly TimeSpan BetweenLooks = TimeSpan.FromSeconds(10);
    static readonly TimeSpan BeforeAnother = TimeSpan.FromMilliseconds(100);

    readonly RemoteEndpoint _endpoint;
    readonly HttpClient _http;
    readonly Uri _ask, _ready;
    readonly Timer _looks;
    IReadOnlyList<RemoteTensor> _inputs = [];
    IReadOnlyList<SignatureField> _fields = [];
    SignatureOutputs _outputs;
    string? _unready;

    RemoteModel(RemoteEndpoint endpoint)
    {
        _endpoint = endpoint;
        _http = new HttpClient(new SocketsHttpHandler
        {
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            ConnectTimeout = ConnectTimeout,
            MaxConnectionsPerServer = endpoint.Connections,
            AllowAutoRedirect = false,
            UseCookies = false,
            ActivityHeadersPropagator = null, // see ServingTrace.Send
            AutomaticDecompression = DecompressionMethods.All,
        })
        { Timeout = System.Threading.Timeout.InfiniteTimeSpan, MaxResponseContentBufferSize = LongestAnswer };
        var url = endpoint.Url.TrimEnd('/');
        _ask = new Uri(endpoint.IsInvocations ? url : url + "/infer");
        _ready = new Uri(endpoint.IsInvocations ? url[..^"/invocations".Length] + "/ping" : url + "/ready");
        _outputs = new SignatureOutputs(endpoint.Outputs);
        _looks = new Timer(_ => _ = Look(), null, System.Threading.Timeout.InfiniteTimeSpan, System.Threading.Timeout.InfiniteTimeSpan);
    }

    public Signature Signature { get; private set; } = new([], []);

    public bool IsWarm => true;

    public int Inside => _endpoint.Connections;

    public string Platform => _endpoint.IsInvocations ? "mlflow_remote" : "kserve_remote";

    public string? Unready => Volatile.Read(ref _unready);

    /// <summary>Asks the endpoint what it takes, where it can say so.</summary>
    /// <exception cref="TaktException">Unavailable: it does not answer. NotSupported: it takes no rows. Invalid: a secret has no value, or what it takes is not known.</exception>
    public static async Task<ILoadedModel> Connect(RemoteEndpoint endpoint, CancellationToken cancel = default)
    {
        var model = new RemoteModel(endpoint);
        try
        {
            await model.Learn(cancel);
            model._looks.Change(BetweenLooks, BetweenLooks);
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    public Table Predict(Table inputs) => Answer(inputs, default).AsTask().GetAwaiter().GetResult();

    public async ValueTask<Table> Answer(Table inputs, CancellationToken cancel)
    {
        var faults = new List<string>();
        var columns = _fields.Select(f => f.Fit(inputs, faults)!).ToList();
        if (faults.Count > 0) throw new TaktException(TaktError.Invalid, faults);
        if (inputs.Rows == 0) return _outputs.Fit([.. Signature.Outputs.Select(f => Column.Of(f.Name, Array.Empty<double>()))], 0);
        var body = new ArrayBufferWriter<byte>(1024);
        await using (var json = new Utf8JsonWriter(body))
            if (_endpoint.IsInvocations) RemoteTensor.WriteSplit(json, _fields, columns, inputs.Rows);
            else RemoteTensor.Write(json, _inputs, columns, inputs.Rows);
        using var answer = await Send(HttpMethod.Post, _ask, body.WrittenMemory, cancel);
        try
        {
            return _outputs.Fit(_endpoint.IsInvocations ? RemoteTensor.Predictions(answer.RootElement, inputs.Rows) : RemoteTensor.Outputs(answer.RootElement, inputs.Rows), inputs.Rows);
        }
        catch (Exception e) when (e is InvalidOperationException or KeyNotFoundException or FormatException || e is TaktException { Error: TaktError.Invalid })
        {
            throw new TaktException(TaktError.Unavailable, $"{_endpoint.Url} answered what can't be understood: {e.Message}", e);
        }
    }

    public void Dispose()
    {
        _looks.Dispose();
        _http.Dispose();
    }

    async Task Learn(CancellationToken cancel)
    {
        if (_endpoint.IsInvocations)
        {
            using (await Send(HttpMethod.Get, _ready, default, cancel))
                _fields = _endpoint.Inputs?.Select(SignatureField.Of).ToList() ?? throw TaktException.Invalid($"{_endpoint.Url} can't say what it takes; name it: remote: {{ url: …, inputs: {{ NAME: double }}, outputs: {{ NAME: double }} }}");
        }
        else
        {
            using var told = await Send(HttpMethod.Get, new Uri(_endpoint.Url.TrimEnd('/')), default, cancel);
            try
            {
                _inputs = told.RootElement.GetProperty("inputs").EnumerateArray().Select(i => RemoteTensor.Read(i, _endpoint.Url)).ToList();
                _fields = _inputs.SelectMany(i => i.Fields).Select(SignatureField.Of).ToList();
                if (_endpoint.Outputs is null) _outputs = new SignatureOutputs(RemoteTensor.Known(told.RootElement.GetProperty("outputs")));
            }
            catch (Exception e) when (e is KeyNotFoundException or InvalidOperationException or FormatException)
            {
                throw new TaktException(TaktError.Unavailable, $"{_endpoint.Url} does not tell its inputs and outputs as the Open Inference Protocol v2 has it: {e.Message}", e);
            }
            if (_fields.Count == 0) throw new TaktException(TaktError.NotSupported, $"{_endpoint.Url} takes nothing; it is no model that answers rows");
        }
        Signature = new(_fields.Select(f => f.Field).ToList(), _outputs.Fields);
    }

    /// <summary>Whether it would answer now.</summary>
    async Task Look()
    {
        try
        {
            using (await Send(HttpMethod.Get, _ready, default, default))
                Volatile.Write(ref _unready, null);
        }
        catch (TaktException e)
        {
            Volatile.Write(ref _unready, e.Message);
        }
        catch (ObjectDisposedException)
        {
            // the last look was under way
        }
    }

    async Task<JsonDocument> Send(HttpMethod method, Uri url, ReadOnlyMemory<byte> body, CancellationToken cancel)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(_endpoint.Timeout);
        using var step = ServingTrace.Step(method.Method, ActivityKind.Client);
        step?.SetTag("http.request.method", method.Method).SetTag("url.full", url.GetComponents(UriComponents.SchemeAndServer | UriComponents.Path, UriFormat.UriEscaped)).SetTag("server.address", url.Host).SetTag("server.port", url.Port);
        for (var tried = 1; ; tried++)
            try
            {
                using var request = new HttpRequestMessage(method, url);
                foreach (var (name, value) in _endpoint.Headers ?? new Dictionary<string, string>()) request.Headers.TryAddWithoutValidation(name, Secrets.Fill(value));
                if (method == HttpMethod.Post) request.Content = new ReadOnlyMemoryContent(body) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };
                ServingTrace.Send(request);
                using var response = await _http.SendAsync(request, limit.Token);
                var bytes = await response.Content.ReadAsByteArrayAsync(limit.Token);
                step?.SetTag("http.response.status_code", (int)response.StatusCode);
                if (!response.IsSuccessStatusCode) step?.SetStatus(ActivityStatusCode.Error);
                if (!response.IsSuccessStatusCode) throw Refused(response.StatusCode, bytes);
                Volatile.Write(ref _unready, null);
                return method == HttpMethod.Get && !LooksLikeJson(bytes) ? JsonDocument.Parse("{}") : JsonDocument.Parse(bytes);
            }
            catch (HttpRequestException e) when (NothingSent(e))
            {
                if (tried == 1)
                {
                    await Task.Delay(BeforeAnother, cancel);
                    continue;
                }
                var why = Masked($"{_endpoint.Url} can't be reached: {e.InnerException?.Message ?? e.Message}");
                Volatile.Write(ref _unready, why);
                throw new TaktException(TaktError.Unavailable, why, e);
            }
            catch (HttpRequestException e)
            {
                throw new TaktException(TaktError.Unavailable, Masked($"{_endpoint.Url} broke off: {e.Message}"), e);
            }
            catch (JsonException e)
            {
                throw new TaktException(TaktError.Unavailable, $"{_endpoint.Url} answered what is not JSON: {e.Message}", e);
            }
            catch (OperationCanceledException e) when (!cancel.IsCancellationRequested)
            {
                throw new TaktException(TaktError.Unavailable, $"{_endpoint.Url} did not answer within {_endpoint.Timeout.TotalSeconds:0.#} s", e);
            }
    }

    /// <summary>No connection was made: the endpoint can't have seen anything.</summary>
    static bool NothingSent(HttpRequestException e) => e.HttpRequestError is HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError && e.InnerException is SocketException or OperationCanceledException or TimeoutException or null;

    static bool LooksLikeJson(byte[] bytes) => bytes.AsSpan().TrimStart(" \r\n\t"u8) is [(byte)'{', ..];

    TaktException Refused(HttpStatusCode status, byte[] bytes)
    {
        var text = System.Text.Encoding.UTF8.GetString(bytes.AsSpan(0, Math.Min(bytes.Length, 16 << 10)));
        try
        {
            if (JsonNode.Parse(bytes) is JsonObject told && (told["error"] ?? told["message"] ?? told["detail"]) is JsonValue reason) text = reason.ToString();
        }
        catch (JsonException)
        {
            // plain text it is
        }
        text = Masked(text.Length > LongestReason ? text[..LongestReason] + "…" : text);
        return status switch
        {
            HttpStatusCode.BadRequest or HttpStatusCode.UnprocessableEntity => TaktException.Invalid(text),
            HttpStatusCode.RequestEntityTooLarge => new TaktException(TaktError.TooLarge, text),
            HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden => new TaktException(TaktError.Unavailable, $"{_endpoint.Url} refuses this server ({(int)status}); see headers: of remote:"),
            _ => new TaktException(TaktError.Unavailable, $"{_endpoint.Url} answered {(int)status}: {text}"),
        };
    }

    string Masked(string text) => Secrets.Mask(text, string.Join(' ', _endpoint.Headers?.Values ?? []));
}
