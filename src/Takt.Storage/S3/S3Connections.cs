using Amazon.Runtime;

namespace Takt.Storage.S3;

/// <summary>Connections to S3 services that end when nothing comes over them: of its own the SDK waits without an end for the rest of an answer.</summary>
sealed class S3Connections : HttpClientFactory
{
    static readonly S3Connections s_usual = new(TimeProvider.System);

    readonly HttpClient _http;

    S3Connections(TimeProvider time) =>
        _http = new HttpClient(new SilenceLimit(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, ConnectTimeout = TimeSpan.FromSeconds(5), PooledConnectionLifetime = TimeSpan.FromMinutes(5) }, time)) { Timeout = Timeout.InfiniteTimeSpan };

    public static S3Connections By(TimeProvider time) => time == TimeProvider.System ? s_usual : new(time);

    public override HttpClient CreateHttpClient(IClientConfig clientConfig) => _http;

    public override bool UseSDKHttpClientCaching(IClientConfig clientConfig) => false;

    public override bool DisposeHttpClientsAfterUse(IClientConfig clientConfig) => false;
}
