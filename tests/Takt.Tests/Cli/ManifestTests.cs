using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.TestHost;
using Microsoft.Extensions.DependencyInjection;
using Takt.Server;
using YamlDotNet.RepresentationModel;

namespace Takt.Tests.Cli;

/// <summary>deploy/: every manifest is YAML without a key twice, has what its kind needs, and names only what there is.</summary>
public sealed class ManifestTests
{
    static readonly string Folder = Path.Combine(TaktProcess.Root, "deploy", "kubernetes");

    static readonly Dictionary<string, string> Kinds = new(StringComparer.Ordinal)
    {
        ["Deployment"] = "apps/v1",
        ["StatefulSet"] = "apps/v1",
        ["Service"] = "v1",
        ["ConfigMap"] = "v1",
        ["Secret"] = "v1",
        ["PersistentVolumeClaim"] = "v1",
        ["HorizontalPodAutoscaler"] = "autoscaling/v2",
        ["PodDisruptionBudget"] = "policy/v1",
        ["NetworkPolicy"] = "networking.k8s.io/v1",
        ["Kustomization"] = "kustomize.config.k8s.io/v1beta1",
    };

    static List<(string File, YamlMappingNode Root)> All() => [.. Directory.GetFiles(Folder, "*.yaml").Order().SelectMany(file =>
    {
        var stream = new YamlStream();
        stream.Load(new StringReader(File.ReadAllText(file))); // throws for a key twice, a tab, a bad indent
        return stream.Documents.Select(d => (Path.GetFileName(file), (YamlMappingNode)d.RootNode));
    })];

    static YamlNode? At(YamlNode? node, string path)
    {
        foreach (var key in path.Split('/'))
            node = node is YamlMappingNode map && map.Children.TryGetValue(new YamlScalarNode(key), out var next) ? next : null;
        return node;
    }

    static string Text(YamlNode? node) => ((YamlScalarNode)node!).Value!;

    static Dictionary<string, string> Map(YamlNode? node) => node is YamlMappingNode map ? map.Children.ToDictionary(c => Text(c.Key), c => Text(c.Value)) : [];

    static IEnumerable<YamlNode> List(YamlNode? node) => node is YamlSequenceNode list ? list.Children : [];

    static IEnumerable<YamlMappingNode> OfKind(params string[] kinds) => All().Select(a => a.Root).Where(r => kinds.Contains(Text(At(r, "kind"))));

    [Fact]
    public void Each_object_has_a_kind_of_its_version_and_a_name_and_the_kustomization_lists_them()
    {
        foreach (var (file, root) in All())
        {
            var kind = Text(At(root, "kind"));
            Assert.True(Kinds.TryGetValue(kind, out var version), $"{file}: {kind}");
            Assert.Equal(version, Text(At(root, "apiVersion")));
            if (kind != "Kustomization") Assert.Matches("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", Text(At(root, "metadata/name")));
        }
        var listed = List(At(OfKind("Kustomization").Single(), "resources")).Select(Text).Order();
        Assert.Equal(Directory.GetFiles(Folder, "*.yaml").Select(f => Path.GetFileName(f)!).Where(f => f is not ("kustomization.yaml" or "secret.example.yaml")).Order(), listed);
        var objects = All().Where(a => Text(At(a.Root, "kind")) != "Kustomization").Select(a => Text(At(a.Root, "kind")) + "/" + Text(At(a.Root, "metadata/name"))).ToList();
        Assert.Equal(objects.Distinct(), objects);
    }

    [Fact]
    public void Every_object_is_what_the_API_defines()
    {
        foreach (var (file, root) in All().Where(a => Text(At(a.Root, "kind")) != "Kustomization")) Assert.True(KubernetesSchema.Faults(root) is [], $"{file}: {string.Join("; ", KubernetesSchema.Faults(root))}");
    }

    [Theory]
    [InlineData("replicas: 2", "replicas: two", "number is wanted")]
    [InlineData("readinessProbe:", "readynessProbe:", "has no field readynessProbe")]
    [InlineData("periodSeconds: 2 }", "periodSeconds: \"2\" }", "number is wanted")]
    [InlineData("podManagementPolicy: Parallel", "podManagementPolicy: AllAtOnce", "enum OrderedReady Parallel is wanted")]
    [InlineData("        - name: takt\n", "        - workingDir: /\n", "Container needs name")]
    [InlineData("\"5000\", --grpc-port", "5000, --grpc-port", "string is wanted")]
    public void A_manifest_with_a_mistake_is_found_out(string right, string wrong, string fault)
    {
        var text = File.ReadAllText(Path.Combine(Folder, "serving.yaml"));
        Assert.Contains(right, text);
        var stream = new YamlStream();
        stream.Load(new StringReader(text.Replace(right, wrong, StringComparison.Ordinal)));
        Assert.Contains(stream.Documents.SelectMany(d => KubernetesSchema.Faults(d.RootNode)), f => f.Contains(fault, StringComparison.Ordinal));
    }

    [Fact]
    public void Workloads_name_only_what_there_is()
    {
        var configs = OfKind("ConfigMap").Select(c => Text(At(c, "metadata/name"))).ToHashSet();
        var secrets = OfKind("Secret").Select(c => Text(At(c, "metadata/name"))).ToHashSet();
        var claims = OfKind("PersistentVolumeClaim").Select(c => Text(At(c, "metadata/name"))).ToHashSet();
        var services = OfKind("Service").ToDictionary(s => Text(At(s, "metadata/name")));
        var workloads = OfKind("Deployment", "StatefulSet").ToList();
        Assert.Equal(["takt-control", "takt-serving"], workloads.Select(w => Text(At(w, "metadata/name"))).Order());
        foreach (var workload in workloads)
        {
            var pod = At(workload, "spec/template/spec");
            Assert.Equal(Map(At(workload, "spec/selector/matchLabels")), Map(At(workload, "spec/template/metadata/labels")));
            Assert.Equal("true", Text(At(pod, "securityContext/runAsNonRoot")));
            Assert.All((string[])["readOnlyRootFilesystem=true", "allowPrivilegeEscalation=false"], rule => Assert.Equal(rule.Split('=')[1], Text(At(List(At(pod, "containers")).Single(), "securityContext/" + rule.Split('=')[0]))));
            foreach (var argument in List(At(List(At(pod, "containers")).Single(), "args"))) Assert.DoesNotMatch("(?i)password|secret|key", Text(argument)); // secrets come from the Secret
            if (At(workload, "spec/serviceName") is { } governing) Assert.Contains(Text(governing), services.Keys);
            var volumes = List(At(pod, "volumes")).Select(v => Text(At(v, "name"))).Concat(List(At(workload, "spec/volumeClaimTemplates")).Select(v => Text(At(v, "metadata/name")))).ToList();
            foreach (var claim in List(At(pod, "volumes")).Select(v => At(v, "persistentVolumeClaim/claimName")).OfType<YamlNode>()) Assert.Contains(Text(claim), claims);
            var container = Assert.Single(List(At(pod, "containers")));
            Assert.Equal(volumes.Order(), List(At(container, "volumeMounts")).Select(m => Text(At(m, "name"))).Order());
            foreach (var from in List(At(container, "envFrom")))
                Assert.Contains(Text(At(from, "configMapRef/name") ?? At(from, "secretRef/name")), At(from, "configMapRef") is not null ? configs : secrets);
            var ports = List(At(container, "ports")).ToDictionary(p => Text(At(p, "name")), p => Text(At(p, "containerPort")));
            var args = List(At(container, "args")).Select(Text).ToList();
            Assert.Equal(ports["http"], args[args.IndexOf("--port") + 1]);
            if (ports.TryGetValue("grpc", out var grpc)) Assert.Equal(grpc, args[args.IndexOf("--grpc-port") + 1]);
            foreach (var probe in (string[])["startupProbe", "readinessProbe", "livenessProbe"]) Assert.Contains(Text(At(container, probe + "/httpGet/port")), ports.Keys);
            foreach (var resource in (string[])["resources/requests/cpu", "resources/requests/memory", "resources/limits/memory"]) Assert.Matches(@"^\d+(m|Mi|Gi)?$", Text(At(container, resource)));
            var mine = services.Values.Where(s => Map(At(s, "spec/selector")).All(l => Map(At(workload, "spec/template/metadata/labels")).Contains(l))).ToList();
            Assert.NotEmpty(mine);
            foreach (var port in mine.SelectMany(s => List(At(s, "spec/ports")))) Assert.Contains(Text(At(port, "targetPort")), ports.Keys);
            // what balancers need to hear of it, and what the server gives open requests
            Assert.True(int.Parse(Text(At(pod, "terminationGracePeriodSeconds"))) >= 25 + (At(container, "lifecycle/preStop/sleep/seconds") is { } sleep ? int.Parse(Text(sleep)) : 0));
        }
        var scaler = OfKind("HorizontalPodAutoscaler").Single();
        Assert.Contains(workloads, w => Text(At(w, "metadata/name")) == Text(At(scaler, "spec/scaleTargetRef/name")) && Text(At(w, "kind")) == Text(At(scaler, "spec/scaleTargetRef/kind")) && Text(At(w, "apiVersion")) == Text(At(scaler, "spec/scaleTargetRef/apiVersion")));
        Assert.True(int.Parse(Text(At(scaler, "spec/minReplicas"))) < int.Parse(Text(At(scaler, "spec/maxReplicas"))));
        foreach (var setting in Map(At(OfKind("ConfigMap").Single(), "data")).Keys) Assert.Contains(setting, (string[])["TAKT__DATABASE", "TAKT__BLOBS"]);
        Assert.All(Map(At(OfKind("Secret").Single(), "stringData")).Values, value => Assert.Equal("change-me", value));
    }

    [Fact]
    public async Task Probes_ask_paths_that_a_server_of_that_role_has_and_its_arguments_are_known()
    {
        var help = await TaktProcess.Run(TaktProcess.Root, "serve", "--help");
        foreach (var workload in OfKind("Deployment", "StatefulSet"))
        {
            var container = List(At(workload, "spec/template/spec/containers")).Single();
            var args = List(At(container, "args")).Select(Text).ToList();
            Assert.Equal("serve", args[0]);
            foreach (var option in args.Where(a => a.StartsWith("--", StringComparison.Ordinal))) Assert.Contains(option, help.Out);
            var roles = Enum.Parse<ServerRoles>(args[args.IndexOf("--roles") + 1], ignoreCase: true);
            var folder = Directory.CreateTempSubdirectory("takt-manifest").FullName;
            try
            {
                await using var app = TaktApp.Open(TaktFolder.At(folder));
                await using var web = TaktHost.Build(app, builder => builder.WebHost.UseTestServer(), roles);
                var routes = ((IEndpointRouteBuilder)web).DataSources.SelectMany(s => s.Endpoints).OfType<RouteEndpoint>().Select(e => "/" + e.RoutePattern.RawText!.Trim('/')).ToHashSet();
                foreach (var probe in (string[])["startupProbe", "readinessProbe", "livenessProbe"]) Assert.Contains(Text(At(container, probe + "/httpGet/path")), routes);
                Assert.Contains(Map(At(workload, "spec/template/metadata/annotations"))["prometheus.io/path"], routes);
            }
            finally
            {
                Directory.Delete(folder, recursive: true);
            }
        }
    }

    [Fact]
    public async Task The_image_is_made_of_what_there_is()
    {
        var lines = await File.ReadAllLinesAsync(Path.Combine(TaktProcess.Root, "deploy", "Dockerfile"), TestContext.Current.CancellationToken);
        var text = string.Join('\n', lines);
        Assert.True(File.Exists(Path.Combine(TaktProcess.Root, Regex.Match(text, @"dotnet publish (\S+)").Groups[1].Value)));
        var stages = lines.Where(l => l.StartsWith("FROM ", StringComparison.Ordinal)).Select(l => l.Split(' ')).ToList();
        Assert.All(stages, s => Assert.EndsWith(":10.0", s[1]));
        foreach (Match from in Regex.Matches(text, @"COPY --from=(\w+) (\S+) (\S+)"))
        {
            Assert.Contains(stages, s => s.Length == 4 && s[3] == from.Groups[1].Value);
            Assert.Contains($"-o {from.Groups[2].Value}", text);
            Assert.Contains($"ENTRYPOINT [\"{from.Groups[3].Value}/takt\"]", text);
        }
        var help = await TaktProcess.Run(TaktProcess.Root, "serve", "--help");
        var command = Regex.Matches(Regex.Match(text, @"CMD \[(.*)\]").Groups[1].Value, "\"([^\"]*)\"").Select(m => m.Groups[1].Value).ToList();
        foreach (var option in command.Where(a => a.StartsWith("--", StringComparison.Ordinal))) Assert.Contains(option, help.Out);
        Assert.Contains($"EXPOSE {command[command.IndexOf("--port") + 1]} {command[command.IndexOf("--grpc-port") + 1]}", text);
        Assert.Contains("USER 1654", text);
        Assert.All(OfKind("Deployment", "StatefulSet"), w => Assert.Equal("1654", Text(At(w, "spec/template/spec/securityContext/runAsUser"))));
    }
}
