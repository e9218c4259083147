using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Takt.Server;

/// <summary><c>POST /testing/reset</c>: back to an empty server within milliseconds, so that a foreign test suite needs no process a test.</summary>
static class TestReset
{
    public static void MapTesting(this IEndpointRouteBuilder routes, TaktApp app) => routes.MapPost("/testing/reset", async () =>
    {
        if (!app.Testing) throw new TaktException(TaktError.Denied, "this server keeps what it has; /testing/reset is answered by one that was started with `takt serve --testing`");
        await Reset(app);
        return Results.Text("{}", "application/json");
    });

    static async Task Reset(TaktApp app)
    {
        await app.Uploads.Clear(); // by their rows
        await app.Database.Empty();
        foreach (var endpoint in app.Router.Endpoints) app.Router.Remove(endpoint);
        await app.Predictions.Clear();
        await foreach (var blob in app.Blobs.List()) await app.Blobs.Delete(blob.Id);
        foreach (var folder in (string[])[Path.Combine(app.Folder.Cache, "models"), Path.Combine(app.Folder.Cache, "artifacts"), app.Folder.Runs])
            if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        await app.Experiments.EnsureDefault();
    }
}
