using System.Text.RegularExpressions;

namespace Takt.Storage;

/// <summary>The password in an address, <c>postgres://user:PASSWORD@host/…</c> or <c>Host=…;Password=PASSWORD</c>, which nobody may see.</summary>
public static partial class AddressPassword
{
    public static bool IsIn(string address) => Password().IsMatch(address);

    /// <summary>The address with <c>***</c> in its place; more than the password is masked rather than less.</summary>
    public static string Mask(string address) => Password().Replace(address, "$1$2***");

    [GeneratedRegex(@"(^\w+://[^:/@?]*:).*(?=@)|(\b(?:password|pwd)\s*=).*", RegexOptions.IgnoreCase | RegexOptions.Singleline)]
    private static partial Regex Password();
}
