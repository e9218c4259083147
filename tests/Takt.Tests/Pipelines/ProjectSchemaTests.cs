using System.Text.Json.Nodes;
using Takt.Pipelines;
using Takt.Server;

namespace Takt.Tests.Pipelines;

public sealed class ProjectSchemaTests
{
    [Fact]
    public async Task The_schema_knows_every_key_that_the_reader_knows()
    {
        var folder = Directory.CreateTempSubdirectory("takt-schema").FullName;
        var app = TaktApp.Open(TaktFolder.At(folder));
        var schema = JsonNode.Parse(ProjectSchema.Of(app.Steps))!;
        foreach (var key in (string[])["takt", "project", "data", "stages", "gates", "deploy", "monitor", "triggers"]) Assert.NotNull(schema["properties"]![key]);
        Assert.NotNull(schema["properties"]!["deploy"]!["additionalProperties"]!["properties"]!["strategy"]);
        Assert.NotNull(schema["properties"]!["data"]!["additionalProperties"]!["properties"]!["expect"]!["anyOf"]![1]!["properties"]!["columns"]);
        var uses = schema["properties"]!["stages"]!["additionalProperties"]!["properties"]!["uses"]!["enum"]!.AsArray().Select(n => n!.GetValue<string>());
        Assert.Equal(app.Steps.Select(s => $"takt/{s.Name}@{s.Version}").Order(), uses.Order());
        await app.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }
}
