using Microsoft.AspNetCore.Http;

namespace Takt.Server.Dashboard;

/// <summary>Forms that change something: each asks in a dialog first, is sent as POST, and ends with a redirect, so that reloading sends nothing again.</summary>
static class Forms
{
    /// <summary>A button, and the dialog that it opens.</summary>
    public static Html Dialog(string id, string button, string action, string title, Html fields, string confirm, bool danger = false) => Html.Of($"""
        <button type="button" data-dialog="{id}"{new Html(danger ? " class=\"danger\"" : "")}>{button}</button>
        <dialog id="{id}" aria-labelledby="{id}-title"><form method="post" action="{action}"><h2 id="{id}-title">{title}</h2>{fields}
        <p class="buttons"><button type="button" data-close>Cancel</button><button class="{(danger ? "primary danger" : "primary")}">{confirm}</button></p></form></dialog>
        """);

    /// <exception cref="TaktException">Invalid: it is empty.</exception>
    public static string Required(IFormCollection form, string name) => form[name].ToString().Trim() is { Length: > 0 } value ? value : throw TaktException.Invalid($"{name} is missing");
}
