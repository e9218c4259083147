namespace Takt.Server.Protocols.S3;

/// <summary>What clients of the S3 view must sign with.</summary>
public sealed record S3Keys(string AccessKey, string SecretKey)
{
    /// <summary><c>TAKT__S3_ACCESS_KEY</c> and <c>TAKT__S3_SECRET_KEY</c>; null: neither is set.</summary>
    /// <exception cref="TaktException">Invalid: one without the other.</exception>
    public static S3Keys? FromEnvironment() => (Environment.GetEnvironmentVariable("TAKT__S3_ACCESS_KEY"), Environment.GetEnvironmentVariable("TAKT__S3_SECRET_KEY")) switch
    {
        ({ Length: > 0 } access, { Length: > 0 } secret) => new(access, secret),
        (null or "", null or "") => null,
        _ => throw TaktException.Invalid("TAKT__S3_ACCESS_KEY and TAKT__S3_SECRET_KEY belong together; set both or neither"),
    };

    public override string ToString() => AccessKey; // the other is nobody's business
}
