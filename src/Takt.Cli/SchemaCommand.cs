using System.CommandLine;
using Takt.Pipelines;
using Takt.Server;

namespace Takt.Cli;

/// <summary><c>takt schema</c>: what an editor needs to complete and check <c>takt.yaml</c>.</summary>
static class SchemaCommand
{
    public static Command Create()
    {
        var command = new Command("schema", "Print the JSON Schema of takt.yaml: takt schema > takt.schema.json");
        command.SetAction(async (_, _) =>
        {
            // the step kinds live in the composition root, which wants a folder; this one is thrown away
            var folder = Directory.CreateTempSubdirectory("takt-schema");
            try
            {
                await using var app = TaktApp.Open(TaktFolder.At(folder.FullName));
                Console.WriteLine(ProjectSchema.Of(app.Steps));
            }
            finally
            {
                folder.Delete(recursive: true);
            }
            return ExitCode.Ok;
        });
        return command;
    }
}
