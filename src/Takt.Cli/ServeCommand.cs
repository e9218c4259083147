using System.CommandLine;
using System.Net;
using Takt.Server;
using Takt.Storage;

namespace Takt.Cli;

/// <summary><c>takt serve</c>: endpoint, rollouts, monitors and dashboard of the project in the work tree.</summary>
static class ServeCommand
{
    public const int DefaultPort = 5000;

    public static Command Create()
    {
        var host = new Option<string>("--host") { Description = "The address to listen on", DefaultValueFactory = _ => "127.0.0.1" };
        var port = new Option<int>("--port", "-p") { Description = "0 takes any that is free", DefaultValueFactory = _ => DefaultPort };
        var grpc = new Option<int?>("--grpc-port") { Description = "Answer the Open Inference Protocol over gRPC too, on this port (Triton's is 8001); 0 takes any that is free" };
        var insecure = new Option<bool>("--insecure") { Description = "Listen beyond this machine although there is no login yet" };
        var names = new Option<string?>("--allowed-hosts") { Description = "Names that clients may call this server by, with commas between, * for any characters; on loopback else only those of loopback" };
        var data = new Option<string?>("--data") { Description = "Serve this folder, made when it is not there; it needs no takt.yaml" };
        var roles = new Option<string>("--roles") { Description = "serving: only answers for models; control: all but that; all", DefaultValueFactory = _ => "all" };
        roles.AcceptOnlyFromAmong("serving", "control", "all");
        var testing = new Option<bool>("--testing") { Description = "For test suites: webhooks may go to this machine by http, and POST /testing/reset empties everything" };
        var command = new Command("serve", "Serve models, watch them, and keep the loop turning") { host, port, grpc, names, data, insecure, roles, testing };
        command.SetAction(async (parsed, cancel) =>
        {
            var address = parsed.GetValue(host)!;
            if (IPAddress.TryParse(address, out var ip) && !IPAddress.IsLoopback(ip) && !parsed.GetValue(insecure))
                throw new TaktException(TaktError.Denied, $"{address} can be reached from other machines and there is no login yet: add --insecure to serve it all the same");
            if (parsed.GetValue(port) is < 0 or > 65535) throw TaktException.Invalid("--port must be 0 to 65535");
            if (parsed.GetValue(grpc) is < 0 or > 65535) throw TaktException.Invalid("--grpc-port must be 0 to 65535");
            if (parsed.GetValue(grpc) is > 0 and var same && same == parsed.GetValue(port)) throw TaktException.Invalid($"--grpc-port must be another port than --port, which is {same} too: in clear text gRPC and HTTP/1.1 can't share one");
            var folder = parsed.GetValue(data) is { Length: > 0 } path ? Made(path) : ProjectFolder.At(parsed);
            var options = ProjectFolder.Options(parsed, folder) with { Testing = parsed.GetValue(testing), GrpcPort = parsed.GetValue(grpc), Roles = Enum.Parse<ServerRoles>(parsed.GetValue(roles)!, ignoreCase: true) };
            if (parsed.GetValue(names) is { Length: > 0 } allowed) options = options with { AllowedHosts = new("allowed-hosts", allowed, "--allowed-hosts") };
            if (options.Roles != ServerRoles.All && options.Testing) throw TaktException.Invalid("--testing is for a whole server: leave --roles out");
            if (options.Roles == ServerRoles.Control && options.GrpcPort is not null) throw TaktException.Invalid("--grpc-port is for servers that serve models; --roles control does not");
            if (options.Roles != ServerRoles.All && options.Database.Value is null) throw TaktException.Invalid($"--roles {parsed.GetValue(roles)} is one part of several servers on one database: name it with --database postgres://… or TAKT__DATABASE");
            await using var server = await TaktServer.Start(folder, address, parsed.GetValue(port), options, cancel);
            if (options.Testing) Terminal.Note("takt: --testing: whoever reaches this server can empty it", Terminal.Tone.Dim);
            Console.WriteLine($"takt serves {folder.Root} on {server.Address.ToString().TrimEnd('/')} {(server.GrpcAddress is { } address2 ? $"and over gRPC on {address2.Authority} " : "")}(Ctrl-C stops it)");
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

    static TaktFolder Made(string path)
    {
        path = Path.GetFullPath(path);
        try
        {
            Directory.CreateDirectory(path);
        }
        catch (Exception e) when (StorageFaults.Of(e, path) is { } known)
        {
            throw known;
        }
        return new TaktFolder(path, Path.Combine(path, ".takt"));
    }
}
