using System.Globalization;
using Microsoft.AspNetCore.Http;

namespace Takt.Server.Dashboard;

/// <summary>What the action before did, told once above the table; a deletion can be taken back from there.</summary>
/// <param name="Deleted">How many; 0: none.</param>
/// <param name="Mark">By which they are found again.</param>
/// <param name="Restored">How many; 0: none.</param>
readonly record struct Notice(int Deleted, long Mark, int Restored)
{
    /// <summary>What is no number is passed over: it is only a word to the reader.</summary>
    public static Notice Of(IQueryCollection query)
    {
        static long Number(string text) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;
        var parts = query["deleted-now"].ToString().Split('.');
        return new((int)Math.Min(Number(parts[0]), int.MaxValue), parts.Length == 2 ? Number(parts[1]) : 0, (int)Math.Min(Number(query["restored-now"].ToString()), int.MaxValue));
    }

    /// <param name="back">The address of the table.</param>
    public Html Show(string back) => Deleted > 0 && Mark > 0
        ? Html.Of($"""<form class="notice" method="post" action="/runs" role="status"><span>{Words(Deleted)} in the bin now.</span><input type="hidden" name="do" value="undo"><input type="hidden" name="mark" value="{Mark}"><input type="hidden" name="back" value="{back}"><button>Undo</button></form>""")
        : Restored > 0 ? Html.Of($"""<p class="notice" role="status">{Words(Restored)} active again.</p>""") : Html.None;

    static string Words(int count) => count == 1 ? "1 run is" : $"{count.ToString("N0", CultureInfo.InvariantCulture)} runs are";
}
