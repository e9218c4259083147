// The floor: what Kestrel does when there is nothing to do. hello PORT
var builder = WebApplication.CreateSlimBuilder();
builder.Logging.ClearProviders();
builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenLocalhost(int.Parse(args[0])));
var web = builder.Build();
web.MapGet("/", () => "hello");
web.Run();
