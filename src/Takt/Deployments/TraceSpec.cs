namespace Takt.Deployments;

/// <summary>Which requests of an endpoint are kept as traces in Takt's own store.</summary>
/// <param name="Sample">Their share, 0 to 1, by the trace's id: whoever else samples by it keeps the same ones.</param>
/// <param name="Experiment">Where they are kept; null: in the experiment of the endpoint's name.</param>
public sealed record TraceSpec(double Sample, string? Experiment = null)
{
    /// <summary>OpenTelemetry's TraceIdRatioBased: the id's last seven bytes against the share of 2^56.</summary>
    /// <param name="trace">As hexadecimal digits.</param>
    public bool Takes(string trace) => Sample >= 1 || Convert.ToUInt64(trace[^14..], 16) < Sample * (1L << 56);
}
