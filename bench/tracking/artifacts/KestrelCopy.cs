#:sdk Microsoft.NET.Sdk.Web
#:property PublishAot=false
#:property TreatWarningsAsErrors=false
// The limit beside which artifacts are measured: a plain Kestrel that copies a body to a file, syncs it, and sends it back. Nothing else.
var builder = WebApplication.CreateSlimBuilder(args);
builder.Logging.ClearProviders();
builder.WebHost.UseKestrel(kestrel => kestrel.Limits.MaxRequestBodySize = null);
var app = builder.Build();
var folder = Environment.GetEnvironmentVariable("COPY_FOLDER")!;
app.MapPut("/{name}", async (HttpContext http, string name) =>
{
    await using var file = File.Create(Path.Combine(folder, name));
    await http.Request.Body.CopyToAsync(file);
    file.Flush(flushToDisk: true);
});
app.MapGet("/{name}", (string name) => Results.File(Path.Combine(folder, name)));
app.Run();
