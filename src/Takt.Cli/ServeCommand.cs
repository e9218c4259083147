using System.CommandLine;
using System.Net;
using Takt.Server;

namespace Takt.Cli;

/// <summary><c>takt serve</c>: endpoint, rollouts, monitors and dashboard of the project in the work tree.</summary>
static class ServeCommand
{
    public const int DefaultPort = 5000;

    public static Command Create()
    {
        var host = new Option<string>("--host") { Description = "The address to listen on", DefaultValueFactory = _ => "127.0.0.1" };
        var port = new Option<int>("--port", "-p") { Description = "0 takes any that is free", DefaultValueFactory = _ => DefaultPort };
        var insecure = new Option<bool>("--insecure") { Description = "Listen beyond this machine although there is no login yet" };
        var command = new Command("serve", "Serve models, watch them, and keep the loop turning") { host, port, insecure };
        command.SetAction(async (parsed, cancel) =>
        {
            var address = parsed.GetValue(host)!;
            if (IPAddress.TryParse(address, out var ip) && !IPAddress.IsLoopback(ip) && !parsed.GetValue(insecure))
                throw new TaktException(TaktError.Denied, $"{address} can be reached from other machines and there is no login yet: add --insecure to serve it all the same");
            if (parsed.GetValue(port) is < 0 or > 65535) throw TaktException.Invalid("--port must be 0 to 65535");
            var folder = TaktFolder.Find(ProjectFolder.Start(parsed)) ?? TaktFolder.At(ProjectFolder.Start(parsed));
            await using var server = await TaktServer.Start(folder, address, parsed.GetValue(port), cancel);
            Console.WriteLine($"takt serves {folder.Root} on {server.Address.ToString().TrimEnd('/')}  (Ctrl-C stops it)");
            try
            {
                await server.WaitForShutdown(cancel);
            }
            catch (OperationCanceledException)
            {
                // Ctrl-C is how a server is stopped
            }
            return ExitCode.Ok;
        });
        return command;
    }
}
