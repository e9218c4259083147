using System.Globalization;
using Microsoft.AspNetCore.Http;
using Takt.Runs;

namespace Takt.Server.Dashboard;

/// <summary>What a reader can change of a run: its name, a tag, and whether it is in the bin.</summary>
static class RunActions
{
    public static Html Buttons(string id, string name, bool deleted) => Html.Of($"""
        {Forms.Dialog("rename-run", "Rename", $"/runs/{Uri.EscapeDataString(id)}/rename", "Rename this run", Html.Of($"<label class=\"field wide\"><span>Name</span><input name=\"name\" value=\"{name}\" required maxlength=\"250\" autocomplete=\"off\"></label>"), "Rename")}
        {Forms.Dialog("tag-run", "Set a tag", $"/runs/{Uri.EscapeDataString(id)}/tag", "Set a tag", Html.Of($"<label class=\"field wide\"><span>Name</span><input name=\"key\" required maxlength=\"250\" autocomplete=\"off\"></label><label class=\"field wide\"><span>Value</span><textarea name=\"value\" rows=\"3\" maxlength=\"8000\"></textarea></label>"), "Set")}
        {(deleted ? Forms.Dialog("restore-run", "Restore", $"/runs/{Uri.EscapeDataString(id)}/restore", "Restore this run?", Html.Of($"<p>It appears in searches again.</p>"), "Restore")
            : Forms.Dialog("delete-run", "Delete", $"/runs/{Uri.EscapeDataString(id)}/delete", "Delete this run?", Html.Of($"<p>It goes to the bin, from where it can be restored.</p>"), "Delete", danger: true))}
        """);

    /// <summary>Runs of one action at most.</summary>
    const int MostTogether = 5_000;

    /// <summary>Many runs into the bin, out of it, or a deletion taken back.</summary>
    /// <returns>Back to the table, which then tells what was done.</returns>
    public static async Task<string> Together(TaktApp app, Workspace workspace, IFormCollection form)
    {
        var back = form["back"].ToString() is { } path && (path == "/runs" || path.StartsWith("/runs?", StringComparison.Ordinal)) ? path : "/runs";
        string To(string told) => $"{back}{(back.Contains('?') ? '&' : '?')}{told}";
        var log = app.RunLog.In(workspace);
        var verb = form["do"].ToString();
        if (verb == "undo")
            return long.TryParse(form["mark"], NumberStyles.None, CultureInfo.InvariantCulture, out var mark) ? To($"restored-now={await log.Undelete(mark)}") : throw TaktException.Invalid($"mark must be a number, not '{form["mark"]}'");
        if (verb is not ("delete" or "restore")) throw TaktException.NotFound($"nothing can be done to runs by the name of '{verb}'");
        var ids = form["runs"].ToString().Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Distinct().ToList();
        if (ids.Count == 0) throw TaktException.Invalid("no run is selected");
        if (ids.Count > MostTogether) throw TaktException.Invalid($"{ids.Count:N0} runs at once; {MostTogether:N0} are allowed: select fewer");
        var (changed, when) = await log.SetDeleted(ids, verb == "delete", form["parts"] == "1");
        return To(verb == "delete" ? $"deleted-now={changed}.{when}" : $"restored-now={changed}");
    }

    public static async Task<string> Do(TaktApp app, Workspace workspace, string id, string verb, IFormCollection form)
    {
        switch (verb)
        {
            case "rename": await app.RunLog.In(workspace).Update(id, null, null, Forms.Required(form, "name")); break;
            case "tag": await app.RunLog.In(workspace).Add(id, new LogEntry([], [], [new(Forms.Required(form, "key"), form["value"].ToString())])); break;
            case "delete" or "restore": await app.RunLog.In(workspace).SetDeleted(id, verb == "delete"); break;
            default: throw TaktException.NotFound($"nothing can be done to a run by the name of '{verb}'");
        }
        return $"/runs/{Uri.EscapeDataString(id)}";
    }
}
