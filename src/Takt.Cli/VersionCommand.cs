using System.CommandLine;
using System.Reflection;

namespace Takt.Cli;

public static class VersionCommand
{
    public static Command Create()
    {
        var command = new Command("version", "Print Takt's version");
        command.SetAction(_ =>
        {
            Console.WriteLine(typeof(VersionCommand).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0]);
            return ExitCode.Ok;
        });
        return command;
    }
}
