using System.Reflection;
using System.Text.RegularExpressions;
using NetArchTest.Rules;

namespace Takt.Tests;

/// <summary>DESIGN's arrows, held: Cli → Server → {Storage, ML} → Takt, and inside Takt the stages in a total order.</summary>
public sealed class ArchitectureTests
{
    /// <summary>A stage may use those before it.</summary>
    static readonly string[] Line = ["Data", "Pipelines", "Runs", "Evaluation", "Models", "Deployments", "Monitors"];

    static readonly string[] ForbiddenEndings = ["Manager", "Helper", "Helpers", "Util", "Utils", "Service", "Repository", "Impl"];

    static readonly Assembly Core = typeof(TaktException).Assembly;
    static readonly Assembly Storage = typeof(Takt.Storage.Sqlite.SqliteFile).Assembly;
    static readonly Assembly Server = typeof(Takt.Server.TaktApp).Assembly;
    static readonly Assembly Cli = typeof(Takt.Cli.CommandLine).Assembly;
    static readonly Assembly Ml = Assembly.Load("Takt.ML");
    static readonly Assembly Client = typeof(Takt.Client.TaktClient).Assembly;
    static readonly Assembly[] All = [Core, Storage, Ml, Server, Cli, Client];

    public static IEnumerable<TheoryDataRow<string, string[]>> Stages() =>
        Line.Select((stage, i) => new TheoryDataRow<string, string[]>(stage, Line[(i + 1)..].Select(later => $"Takt.{later}").ToArray()));

    [Theory]
    [MemberData(nameof(Stages))]
    public void A_stage_uses_only_stages_before_it(string stage, string[] later)
    {
        if (later.Length == 0) return;
        var result = Types.InAssembly(Core).That().ResideInNamespaceMatching($@"^Takt\.{stage}(\.|$)").ShouldNot().HaveDependencyOnAny(later).GetResult();
        Assert.True(result.IsSuccessful, Names(result));
    }

    [Fact]
    public void The_seams_of_storage_use_no_stage()
    {
        var result = Types.InAssembly(Core).That().ResideInNamespaceMatching(@"^Takt\.Storage(\.|$)")
            .ShouldNot().HaveDependencyOnAny(Line.Select(stage => $"Takt.{stage}").ToArray()).GetResult();
        Assert.True(result.IsSuccessful, Names(result));
    }

    [Theory]
    [InlineData("Takt.Core", "Takt.Storage,Takt.ML,Takt.Server,takt,Microsoft.AspNetCore,Microsoft.Data.Sqlite,Npgsql,AWSSDK,LightGBM,Microsoft.ML,System.CommandLine,Spectre.Console")]
    [InlineData("Takt.Storage", "Takt.ML,Takt.Server,takt,Microsoft.AspNetCore,LightGBM,System.CommandLine,Spectre.Console")]
    [InlineData("Takt.ML", "Takt.Storage,Takt.Server,takt,Microsoft.AspNetCore,Microsoft.Data.Sqlite,Npgsql,System.CommandLine,Spectre.Console")]
    [InlineData("Takt.Server", "takt,System.CommandLine,Spectre.Console")]
    public void An_assembly_points_down_the_line_only(string name, string forbidden)
    {
        var references = All.Single(a => a.GetName().Name == name).GetReferencedAssemblies().Select(a => a.Name!).ToList();
        Assert.Equal([], references.Where(r => forbidden.Split(',').Any(f => r == f || r.StartsWith(f + ".", StringComparison.Ordinal))).ToList());
    }

    [Fact]
    public void The_client_package_depends_on_nothing_but_the_runtime()
    {
        var references = Client.GetReferencedAssemblies().Select(a => a.Name!).ToList();
        Assert.Equal([], references.Where(r => r != "netstandard" && !r.StartsWith("System.", StringComparison.Ordinal)));
    }

    [Fact]
    public void Only_the_composition_root_names_storage_engines_and_model_libraries()
    {
        var result = Types.InAssembly(Server).That().DoNotHaveName("TaktApp")
            .ShouldNot().HaveDependencyOnAny("Takt.Storage.Sqlite", "Takt.Storage.FileSystem", "Takt.Storage.PostgreSql", "Takt.Storage.S3", "Takt.ML").GetResult();
        Assert.True(result.IsSuccessful, Names(result));
    }

    [Fact]
    public void No_type_is_named_after_nothing()
    {
        var vague = All.SelectMany(a => a.GetTypes()).Where(t => t.Namespace?.StartsWith("Takt", StringComparison.Ordinal) == true)
            .Select(t => t.FullName!).Where(n => ForbiddenEndings.Any(end => n.Split('`')[0].EndsWith(end, StringComparison.Ordinal)));
        Assert.Empty(vague);
    }

    [Fact]
    public void Interfaces_stand_only_at_real_seams()
    {
        string[] seams = ["IBlobStore", "IObjectStore", "IExecutor", "IStepKind", "ISource", "IModelRuntime", "ILoadedModel", "ITrainer", "IAlertSink"];
        var interfaces = All.SelectMany(a => a.GetTypes()).Where(t => t.IsInterface && t.IsPublic).Select(t => t.Name);
        Assert.Empty(interfaces.Except(seams));
    }

    [Fact]
    public void A_file_holds_one_public_type()
    {
        var source = Path.Combine(Root(), "src");
        var crowded = Directory.EnumerateFiles(source, "*.cs", SearchOption.AllDirectories)
            .Where(f => Regex.Count(File.ReadAllText(f), @"^public (?:(?:sealed|static|abstract|readonly|partial|unsafe|ref) )*(?:class|record struct|record|struct|enum|interface) ", RegexOptions.Multiline) > 1)
            .Select(f => Path.GetRelativePath(source, f));
        Assert.Empty(crowded);
    }

    /// <summary>With the context as its only parameter it is a RequestDelegate: an expression's value goes to nobody, and the compiler says nothing (of a method group it does, ASP0016).</summary>
    [Fact]
    public void No_answer_of_a_route_is_dropped()
    {
        var routes = new Regex(@"\.Map(?:Get|Post|Put|Delete|Patch|Methods|Fallback)?\((?:(?!;\s*$).)*?async\s+(?:\(\s*(?:HttpContext\s+)?\w+\s*\)|\w+)\s*=>\s*(?!\s*\{)", RegexOptions.Multiline);
        Assert.Matches(routes, "routes.MapGet(\"/a\", async (HttpContext http) => Results.Text(\"a\"));");
        Assert.Matches(routes, "routes.MapMethods(\"/a\", [\"GET\"], async http => await Answer(http));");
        Assert.DoesNotMatch(routes, "routes.MapGet(\"/a\", async (HttpContext http) => { });");
        Assert.DoesNotMatch(routes, "routes.MapGet(\"/a\", async (HttpContext http, CancellationToken cancel) => Results.Text(\"a\"));");
        var source = Path.Combine(Root(), "src/Takt.Server");
        Assert.Empty(Directory.EnumerateFiles(source, "*.cs", SearchOption.AllDirectories).SelectMany(file => routes.Matches(File.ReadAllText(file)).Select(match => $"{Path.GetRelativePath(source, file)}: {match.Value}")));
    }

    static string Names(NetArchTest.Rules.TestResult result) => string.Join('\n', result.FailingTypeNames ?? []);

    /// <summary>The checkout: the nearest folder above the test binary that holds the solution.</summary>
    [Fact]
    public void Every_page_of_the_docs_that_the_program_names_is_there()
    {
        var named = Directory.EnumerateFiles(Path.Combine(Root(), "src"), "*.cs", SearchOption.AllDirectories).SelectMany(f => Regex.Matches(File.ReadAllText(f), @"docs/[a-z-]+\.md").Select(m => m.Value)).ToHashSet();
        Assert.Contains("docs/formats.md", named);
        Assert.Equal([], named.Where(page => !File.Exists(Path.Combine(Root(), page))));
    }

    static string Root()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder!.FullName, "Takt.slnx"))) folder = folder.Parent;
        return folder.FullName;
    }
}
