using System.Globalization;
using Microsoft.AspNetCore.Http;

namespace Takt.Server.Dashboard;

/// <summary>What a reader can change in the registry.</summary>
static class ModelActions
{
    public static async Task<string> Do(TaktApp app, Workspace workspace, string name, string verb, IFormCollection form)
    {
        switch (verb)
        {
            case "describe" when form["version"].Count == 0:
                await app.ModelCatalog.In(workspace).Describe(name, form["description"].ToString());
                return ModelPages.Url(name);
            case "describe":
                await app.ModelCatalog.In(workspace).DescribeVersion(name, Version(form), form["description"].ToString());
                break;
            case "alias":
                await app.Models.SetAlias(name, Forms.Required(form, "alias"), Version(form), workspace);
                break;
            case "unalias":
                await app.Models.DeleteAlias(name, Forms.Required(form, "alias"), workspace);
                break;
            case "stage":
                await app.ModelCatalog.In(workspace).Move(name, Version(form), Forms.Required(form, "stage"), form["archive"] == "1");
                break;
            case "tag":
                await app.ModelCatalog.In(workspace).SetVersionTag(name, Version(form), Forms.Required(form, "key"), form["value"].ToString());
                break;
            default:
                throw TaktException.NotFound($"nothing can be done to a model by the name of '{verb}'");
        }
        return ModelPages.Url(name, Version(form));
    }

    static int Version(IFormCollection form) => int.TryParse(form["version"], NumberStyles.None, CultureInfo.InvariantCulture, out var version) && version > 0 ? version
        : throw TaktException.Invalid($"version must be a number, not '{form["version"]}'");
}
