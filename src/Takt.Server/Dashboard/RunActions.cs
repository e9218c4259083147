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
