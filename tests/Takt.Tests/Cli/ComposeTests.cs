using System.Text.RegularExpressions;
using YamlDotNet.RepresentationModel;

namespace Takt.Tests.Cli;

/// <summary>deploy/compose.yaml and the proxy's haproxy.cfg name only what there is, and fit each other.</summary>
public sealed class ComposeTests
{
    static readonly string Folder = Path.Combine(TaktProcess.Root, "deploy");

    static readonly YamlMappingNode Root = Load();

    static YamlMappingNode Load()
    {
        var stream = new YamlStream();
        stream.Load(new StringReader(File.ReadAllText(Path.Combine(Folder, "compose.yaml"))));
        return (YamlMappingNode)stream.Documents.Single().RootNode;
    }

    static YamlMappingNode Map(YamlNode node, string key) => (YamlMappingNode)node[key];

    static List<string> Texts(YamlNode node) => [.. ((YamlSequenceNode)node).Select(n => ((YamlScalarNode)n).Value!)];

    static List<string> Listed(YamlMappingNode node, string key) => node.Children.TryGetValue(key, out var list) ? Texts(list) : [];

    static Dictionary<string, YamlMappingNode> Services => Map(Root, "services").Children.ToDictionary(s => ((YamlScalarNode)s.Key).Value!, s => (YamlMappingNode)s.Value);

    static List<string> Command(string service) => Texts(Services[service]["command"]);

    [Fact]
    public async Task Its_servers_are_started_with_options_that_there_are()
    {
        var help = await TaktProcess.Run(TaktProcess.Root, "serve", "--help");
        foreach (var service in (string[])["control", "replica-1"])
            foreach (var option in Command(service).Where(a => a.StartsWith("--", StringComparison.Ordinal))) Assert.Contains(option, help.Out);
        Assert.Equal(["TAKT__DATABASE", "TAKT__BLOBS"], Map(Map(Root, "x-takt"), "environment").Children.Keys.Select(k => ((YamlScalarNode)k).Value!).Where(k => k.StartsWith("TAKT", StringComparison.Ordinal)));
    }

    [Fact]
    public void Volumes_and_what_is_waited_for_are_there_and_no_port_is_open_to_others()
    {
        var volumes = Map(Root, "volumes").Children.Keys.Select(k => ((YamlScalarNode)k).Value!).ToHashSet();
        foreach (var service in Services.Values)
        {
            foreach (var volume in Listed(service, "volumes").Select(v => v.Split(':')[0]))
                Assert.True(volumes.Contains(volume) || File.Exists(Path.Combine(Folder, volume)), volume);
            foreach (var port in Listed(service, "ports")) Assert.StartsWith("127.0.0.1:", port); // there is no login yet
            if (!service.Children.TryGetValue("depends_on", out var waits)) continue;
            foreach (var name in waits is YamlMappingNode map ? map.Children.Keys.Select(k => ((YamlScalarNode)k).Value!) : Texts(waits)) Assert.Contains(name, Services.Keys);
        }
    }

    [Fact]
    public void The_proxy_asks_the_replicas_where_they_listen()
    {
        var proxy = File.ReadAllText(Path.Combine(Folder, "haproxy.cfg"));
        var command = Command("replica-1");
        var (http, grpc) = (command[command.IndexOf("--port") + 1], command[command.IndexOf("--grpc-port") + 1]);
        foreach (var replica in Services.Keys.Where(n => n.StartsWith("replica-", StringComparison.Ordinal)))
            Assert.All((string[])[$"server {replica} {replica}:{http}\n", $"server {replica} {replica}:{grpc} "], line => Assert.Contains(line, proxy, StringComparison.Ordinal));
        foreach (Match bind in Regex.Matches(proxy, @"bind :(\d+)")) Assert.Contains(Texts(Services["proxy"]["ports"]), p => p.EndsWith(":" + bind.Groups[1].Value, StringComparison.Ordinal));
        Assert.Contains("/v2/health/ready", proxy, StringComparison.Ordinal);
    }
}
